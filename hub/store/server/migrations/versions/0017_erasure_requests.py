"""Erasures that staff have asked for, somebody else has to confirm, and a command carries out."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
TABLE = """
CREATE TABLE erasure_request (
  id uuid CONSTRAINT pk_erasure_request PRIMARY KEY,
  campus text NOT NULL CONSTRAINT fk_erasure_request_campus REFERENCES campus (id),
  sought_sealed bytea NOT NULL,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  confirmed_by text,
  confirmed_at timestamptz
)
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("ALTER TABLE erasure_request ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON erasure_request USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
