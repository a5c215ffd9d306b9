"""Addenda of evidence packages: what happened after the package was signed."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
STATEMENTS = """
CREATE TABLE evidence_addendum (
  contract uuid NOT NULL,
  number integer NOT NULL,
  campus text NOT NULL,
  sha256 text NOT NULL,
  size bigint NOT NULL,
  made_at timestamptz NOT NULL,
  entries integer NOT NULL,
  renewals integer NOT NULL,
  revoked text[] NOT NULL,
  CONSTRAINT pk_evidence_addendum PRIMARY KEY (contract, number)
);
CREATE INDEX ix_evidence_addendum_sha256 ON evidence_addendum USING hash (sha256);
ALTER TABLE evidence_addendum ENABLE ROW LEVEL SECURITY;
CREATE TRIGGER keep_evidence BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_addendum
  FOR EACH STATEMENT EXECUTE FUNCTION keep_evidence();
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(f"CREATE POLICY campus_scope ON evidence_addendum USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
