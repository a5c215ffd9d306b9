"""staff tasks have an owner and a due time, and staff a daily digest"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""

MOMENTS = ("owned_at", "due_at", "taken_at", "climbs_at", "climbed_at")


def upgrade() -> None:
    op.add_column("staff", sa.Column("digest_on", sa.Date(), nullable=True))
    op.add_column("staff_task", sa.Column("owner", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_staff_task_owner"), "staff_task", "staff", ["owner"], ["id"])
    for name in MOMENTS:
        op.add_column("staff_task", sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in reversed(MOMENTS):
        op.drop_column("staff_task", name)
    op.drop_constraint(op.f("fk_staff_task_owner"), "staff_task", type_="foreignkey")
    op.drop_column("staff_task", "owner")
    op.drop_column("staff", "digest_on")
