"""Seals: who applied for them, who may use them, and the register of their uses.

The seal that is configured becomes the first of them by itself, when it is looked at or used for the first time.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
TABLES = """
CREATE TABLE seal (
  id uuid CONSTRAINT pk_seal PRIMARY KEY,
  name text NOT NULL CONSTRAINT uq_seal_name UNIQUE,
  kind text NOT NULL,
  campus text NOT NULL CONSTRAINT fk_seal_campus REFERENCES campus (id),
  registered_name text NOT NULL,
  registered_code text NOT NULL,
  inscription text NOT NULL,
  state text NOT NULL,
  created_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  picture bytea,
  picture_source text NOT NULL,
  key_place text NOT NULL,
  key_label text NOT NULL,
  chain bytea[] NOT NULL,
  ends_at timestamptz
);
CREATE UNIQUE INDEX uq_seal_configured ON seal (key_place) WHERE key_place = 'configured';
CREATE TABLE seal_request (
  id uuid CONSTRAINT pk_seal_request PRIMARY KEY,
  seal uuid NOT NULL CONSTRAINT fk_seal_request_seal REFERENCES seal (id) CONSTRAINT uq_seal_request_seal UNIQUE,
  campus text NOT NULL,
  reason text NOT NULL,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  state text NOT NULL,
  approvals jsonb NOT NULL,
  ended_at timestamptz,
  ended_by text
);
CREATE TABLE seal_grant (
  id uuid CONSTRAINT pk_seal_grant PRIMARY KEY,
  seal uuid NOT NULL CONSTRAINT fk_seal_grant_seal REFERENCES seal (id),
  grantee_kind text NOT NULL,
  grantee text NOT NULL,
  campus text NOT NULL CONSTRAINT fk_seal_grant_campus REFERENCES campus (id),
  templates text[] NOT NULL,
  granted_by text NOT NULL,
  granted_at timestamptz NOT NULL,
  expires_at timestamptz,
  max_uses integer,
  used integer DEFAULT 0 NOT NULL,
  revoked_at timestamptz,
  revoked_by text
);
CREATE INDEX ix_seal_grant_seal ON seal_grant (seal);
CREATE INDEX ix_seal_grant_live ON seal_grant (grantee_kind, grantee, seal) WHERE revoked_at IS NULL;
CREATE TABLE seal_use (
  id uuid CONSTRAINT pk_seal_use PRIMARY KEY,
  seal uuid NOT NULL CONSTRAINT fk_seal_use_seal REFERENCES seal (id),
  seal_grant uuid CONSTRAINT fk_seal_use_seal_grant REFERENCES seal_grant (id),
  campus text NOT NULL,
  asked_by text NOT NULL,
  about text NOT NULL,
  template text,
  document_sha256 text NOT NULL,
  count integer NOT NULL,
  outcome text NOT NULL,
  reason text,
  tries integer NOT NULL,
  begun_at timestamptz NOT NULL,
  ended_at timestamptz,
  result_sha256 text
);
CREATE INDEX ix_seal_use_seal ON seal_use (seal, begun_at, id);
CREATE INDEX ix_seal_use_document_sha256 ON seal_use (document_sha256);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in ("seal", "seal_request", "seal_grant", "seal_use"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
