"""Acts that wait for approval may put another signer into the place of one.

Older workers would end such an act as already issued, without a word: they wait until they are replaced.
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE issue_item ADD COLUMN replacement_sealed bytea")
