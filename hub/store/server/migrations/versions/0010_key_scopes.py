"""What an API key may do, and when it ends. Keys that exist may do everything, as before.

It does not say `expands_only`: hubs of the version before would let a key do everything, and never end.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE api_key ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,issue,act,metrics}'")
    op.execute("ALTER TABLE api_key ADD COLUMN expires_at timestamptz")
