"""work that workers share; which hubs run on a schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"


def upgrade() -> None:
    op.create_table(
        "duty",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duty")),
    )
    op.execute("ALTER TABLE duty ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON duty USING ({ALL}) WITH CHECK ({ALL})")
    op.create_table(
        "schema_compatibility",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("compatible_from", sa.Text(), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_schema_compatibility_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_schema_compatibility")),
    )


def downgrade() -> None:
    op.drop_table("schema_compatibility")
    op.drop_table("duty")
