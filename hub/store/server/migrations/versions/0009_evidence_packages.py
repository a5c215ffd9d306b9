"""Evidence packages: what was made, and for which contracts one is still to be made."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
TABLES = """
CREATE TABLE evidence_package (
  contract uuid NOT NULL,
  version integer NOT NULL,
  campus text NOT NULL,
  sha256 text NOT NULL,
  size bigint NOT NULL,
  leaf bytea NOT NULL,
  made_at timestamptz NOT NULL,
  CONSTRAINT pk_evidence_package PRIMARY KEY (contract, version)
);
CREATE TABLE evidence_due (
  contract uuid CONSTRAINT pk_evidence_due PRIMARY KEY,
  campus text NOT NULL,
  due_at timestamptz NOT NULL,
  tries integer DEFAULT 0 NOT NULL
);
CREATE INDEX ix_evidence_due_due_at ON evidence_due (due_at);
INSERT INTO evidence_due (contract, campus, due_at)
SELECT id, campus, ended_at FROM contract WHERE ended_at IS NOT NULL;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in ("evidence_package", "evidence_due"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
