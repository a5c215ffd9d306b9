"""one message for several contracts of a person"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"


def upgrade() -> None:
    op.create_table(
        "delivery_share",
        sa.Column("delivery", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Uuid(), nullable=False),
        sa.Column("contract", sa.Uuid(), nullable=False),
        sa.Column("signer", sa.Uuid(), nullable=False),
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["contract.id"], name=op.f("fk_delivery_share_contract")),
        sa.ForeignKeyConstraint(["delivery"], ["delivery.id"], name=op.f("fk_delivery_share_delivery")),
        sa.ForeignKeyConstraint(["task"], ["signing_task.id"], name=op.f("fk_delivery_share_task")),
        sa.PrimaryKeyConstraint("delivery", "task", name=op.f("pk_delivery_share")),
    )
    op.create_index(op.f("ix_delivery_share_contract"), "delivery_share", ["contract"], unique=False)
    op.create_index(op.f("ix_delivery_share_task"), "delivery_share", ["task"], unique=False)
    secure("delivery_share", IN_SCOPE)


def secure(table: str, allowed: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON {table} USING ({allowed}) WITH CHECK ({allowed})")


def downgrade() -> None:
    op.drop_index(op.f("ix_delivery_share_task"), table_name="delivery_share")
    op.drop_index(op.f("ix_delivery_share_contract"), table_name="delivery_share")
    op.drop_table("delivery_share")
