"""which data folder a database works with"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one. Only a demo writes its clock, and no demo is upgraded while it runs."""

BOUND = ("master_check", "root_sha256", "seal_sha256")


def upgrade() -> None:
    op.add_column("installation", sa.Column("installation_id", sa.Uuid(), nullable=True))
    for name in BOUND:
        op.add_column("installation", sa.Column(name, sa.Text(), nullable=True))
    op.create_table(
        "demo_clock",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("clock_offset", sa.Interval(), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_demo_clock")),
    )
    op.execute("INSERT INTO demo_clock SELECT true, clock_offset FROM installation WHERE kind = 'demo'")


def downgrade() -> None:
    op.execute("UPDATE installation SET clock_offset = demo_clock.clock_offset FROM demo_clock WHERE kind = 'demo'")
    op.drop_table("demo_clock")
    for name in ("installation_id", *BOUND):
        op.drop_column("installation", name)
