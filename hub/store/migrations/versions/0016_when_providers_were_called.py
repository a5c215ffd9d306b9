"""when a provider was called last for a message"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one, and writes no moment."""


def upgrade() -> None:
    op.add_column("delivery", sa.Column("called_at", sa.DateTime(timezone=True)))
    # Nobody knows when these were called: not later than now.
    op.execute("UPDATE delivery SET called_at = now() WHERE state IN ('sending', 'unknown') AND provider IS NOT NULL")


def downgrade() -> None:
    op.drop_column("delivery", "called_at")
