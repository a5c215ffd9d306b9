"""a staff task that is to be there once is kept single by the database"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one. Tasks that are there already get no key."""


def upgrade() -> None:
    op.add_column("staff_task", sa.Column("once", sa.LargeBinary(), nullable=True))
    op.create_index(
        "uq_staff_task_once", "staff_task", ["once"], unique=True, postgresql_where=sa.text("done_at IS NULL")
    )


def downgrade() -> None:
    op.drop_index("uq_staff_task_once", table_name="staff_task")
    op.drop_column("staff_task", "once")
