"""what somebody wrote gets a salt of its own, which is erased with it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""


def upgrade() -> None:
    op.add_column("personal_value", sa.Column("salt", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("personal_value", "salt")
