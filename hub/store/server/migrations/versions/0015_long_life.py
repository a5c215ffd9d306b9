"""Packages put together from stored files, renewals of evidence records, receipts of the daily root, and legal holds.

It does not only expand: a hub of the schema before stores packages whole, and does not know where to find joined ones.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
STATEMENTS = """
ALTER TABLE evidence_package ADD COLUMN file text;
ALTER TABLE evidence_package ADD COLUMN pieces jsonb;
ALTER TABLE evidence_package ADD COLUMN renewals integer DEFAULT 0 NOT NULL;
ALTER TABLE evidence_package DISABLE TRIGGER keep_evidence;
UPDATE evidence_package SET file = sha256;
ALTER TABLE evidence_package ENABLE TRIGGER keep_evidence;
ALTER TABLE evidence_package ALTER COLUMN file SET NOT NULL;
CREATE INDEX ix_evidence_package_sha256 ON evidence_package USING hash (sha256);
CREATE INDEX ix_evidence_package_file ON evidence_package USING hash (file);
CREATE TABLE evidence_renewal (
  id integer CONSTRAINT pk_evidence_renewal PRIMARY KEY,
  algorithm text NOT NULL,
  is_tree boolean NOT NULL,
  leaves integer NOT NULL,
  root bytea NOT NULL,
  timestamp bytea NOT NULL,
  made_at timestamptz NOT NULL
);
CREATE TABLE evidence_renewal_leaf (
  renewal integer NOT NULL,
  position integer NOT NULL,
  day date,
  renewed integer,
  contract uuid,
  leaf bytea NOT NULL,
  CONSTRAINT pk_evidence_renewal_leaf PRIMARY KEY (renewal, position)
);
CREATE INDEX ix_evidence_renewal_leaf_day ON evidence_renewal_leaf (day, renewal) WHERE day IS NOT NULL;
CREATE INDEX ix_evidence_renewal_leaf_renewed ON evidence_renewal_leaf (renewed, renewal) WHERE renewed IS NOT NULL;
CREATE INDEX ix_evidence_renewal_leaf_contract ON evidence_renewal_leaf (contract, renewal) WHERE contract IS NOT NULL;
CREATE TABLE hash_tree_receipt (
  day date NOT NULL,
  notary text NOT NULL,
  reference text NOT NULL,
  receipt bytea NOT NULL,
  at timestamptz NOT NULL,
  CONSTRAINT pk_hash_tree_receipt PRIMARY KEY (day, notary)
);
CREATE TABLE legal_hold (
  id uuid CONSTRAINT pk_legal_hold PRIMARY KEY,
  contract uuid NOT NULL,
  campus text NOT NULL,
  reason text NOT NULL,
  placed_by text NOT NULL,
  placed_at timestamptz NOT NULL,
  until timestamptz,
  lifted_by text,
  lifted_at timestamptz
);
CREATE INDEX ix_legal_hold_contract ON legal_hold (contract);
"""
KEPT = ("evidence_renewal", "evidence_renewal_leaf", "hash_tree_receipt")


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in KEPT:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({ALL}) WITH CHECK ({ALL})")
        when = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        op.execute(f"CREATE TRIGGER keep_evidence {when} FOR EACH STATEMENT EXECUTE FUNCTION keep_evidence()")
    op.execute("ALTER TABLE legal_hold ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON legal_hold USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
