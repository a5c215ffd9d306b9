"""An index that no statement uses: links are found by their signer or their ticket."""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None
expands_only = True


def upgrade() -> None:
    op.execute("DROP INDEX ix_sign_link_contract")
