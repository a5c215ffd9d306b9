"""Files that are gone with an erased person; keys that seal columns; until when a hub before a restore has sent."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
expands_only = True

TABLES = """
CREATE TABLE sealing_key (
  id text CONSTRAINT pk_sealing_key PRIMARY KEY,
  current_since timestamptz NOT NULL,
  is_current boolean NOT NULL,
  refuses_unbound boolean NOT NULL,
  retired_at timestamptz
);
CREATE TABLE restored_until (
  one boolean CONSTRAINT pk_restored_until PRIMARY KEY,
  moment timestamptz NOT NULL,
  CONSTRAINT ck_restored_until_one CHECK (one)
);
"""
EVERYTHING = "(SELECT current_setting('qianda.scope', true)) = '*'"


def upgrade() -> None:
    op.execute("ALTER TABLE document_version ADD COLUMN erased_at timestamptz")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute("CREATE UNIQUE INDEX uq_sealing_key_current ON sealing_key (is_current) WHERE is_current")
    op.execute("ALTER TABLE sealing_key ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE restored_until ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON restored_until USING ({EVERYTHING}) WITH CHECK ({EVERYTHING})")
    # Every transaction asks which key is current.
    op.execute("CREATE POLICY read_by_all ON sealing_key FOR SELECT USING (true)")
