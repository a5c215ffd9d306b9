"""A pause of sending, and the messages that were open in a backup when it was restored."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
expands_only = True

EVERYTHING = "(SELECT current_setting('qianda.scope', true)) = '*'"
TABLES = """
CREATE TABLE sending_pause (
  one boolean CONSTRAINT pk_sending_pause PRIMARY KEY,
  since timestamptz NOT NULL,
  restored_from timestamptz,
  CONSTRAINT ck_sending_pause_one CHECK (one)
);
CREATE TABLE restored_delivery (
  delivery uuid CONSTRAINT pk_restored_delivery PRIMARY KEY
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in ("sending_pause", "restored_delivery"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({EVERYTHING}) WITH CHECK ({EVERYTHING})")
    # Every campus is told on its board that nothing is sent.
    op.execute("CREATE POLICY read_by_all ON sending_pause FOR SELECT USING (true)")
