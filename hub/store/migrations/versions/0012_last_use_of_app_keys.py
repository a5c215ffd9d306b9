"""when the key of an app was last used"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""


def upgrade() -> None:
    op.add_column("app_key", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("app_key", "used_at")
