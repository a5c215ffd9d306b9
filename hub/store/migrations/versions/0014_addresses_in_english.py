"""the address of a campus in English"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""


def upgrade() -> None:
    op.add_column("campus", sa.Column("address_en", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("campus", "address_en")
