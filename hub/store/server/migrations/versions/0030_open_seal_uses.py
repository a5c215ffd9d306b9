"""An index of the uses of a seal that have begun and not ended: few, among all lines of the register."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0027"
branch_labels = None
depends_on = None
expands_only = True


def upgrade() -> None:
    op.execute("CREATE INDEX ix_seal_use_open ON seal_use (seal, begun_at) WHERE outcome = 'attempt'")
