"""a provider whose receipts said that its account is broken is well again when a message of it arrives"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one, and takes an accepted message for proof."""


def upgrade() -> None:
    op.add_column("provider", sa.Column("until_delivered", sa.Boolean(), nullable=False, server_default="false"))


def downgrade() -> None:
    op.drop_column("provider", "until_delivered")
