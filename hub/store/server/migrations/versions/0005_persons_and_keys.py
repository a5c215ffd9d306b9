"""Files that are gone with an erased person; and the keys that seal columns."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
expands_only = True

TABLE = """
CREATE TABLE sealing_key (
  id text CONSTRAINT pk_sealing_key PRIMARY KEY,
  current_since timestamptz NOT NULL,
  is_current boolean NOT NULL,
  refuses_unbound boolean NOT NULL,
  retired_at timestamptz
)
"""


def upgrade() -> None:
    op.execute("ALTER TABLE document_version ADD COLUMN erased_at timestamptz")
    op.execute(TABLE)
    op.execute("CREATE UNIQUE INDEX uq_sealing_key_current ON sealing_key (is_current) WHERE is_current")
    op.execute("ALTER TABLE sealing_key ENABLE ROW LEVEL SECURITY")
    # Every transaction asks which key is current.
    op.execute("CREATE POLICY read_by_all ON sealing_key FOR SELECT USING (true)")
