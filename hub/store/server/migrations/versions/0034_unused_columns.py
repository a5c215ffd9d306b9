"""Columns that only versions before 0.2.0 needed.

`findable`: whether the phone numbers of an enrolment have hashes. `text`: the sentence of an alert. Hubs of 0.2.0 write
both, so they have to stop for this migration, as they do for 0027.
"""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE enrolment DROP COLUMN findable")
    op.execute("ALTER TABLE alert DROP COLUMN text")
