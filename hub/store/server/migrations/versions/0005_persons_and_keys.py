"""Files that are gone with an erased person."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
expands_only = True


def upgrade() -> None:
    op.execute("ALTER TABLE document_version ADD COLUMN erased_at timestamptz")
