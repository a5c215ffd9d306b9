"""Seal jobs: files of other systems that get a seal, and what became of each."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
TABLES = """
CREATE TABLE seal_job (
  id uuid CONSTRAINT pk_seal_job PRIMARY KEY,
  client uuid NOT NULL CONSTRAINT fk_seal_job_client REFERENCES api_key (id),
  client_name text NOT NULL,
  campus text NOT NULL CONSTRAINT fk_seal_job_campus REFERENCES campus (id),
  seal uuid NOT NULL CONSTRAINT fk_seal_job_seal REFERENCES seal (id),
  place text NOT NULL,
  level text NOT NULL,
  source jsonb NOT NULL,
  target jsonb NOT NULL,
  webhook text,
  state text NOT NULL,
  asked_at timestamptz NOT NULL,
  total integer DEFAULT 0 NOT NULL,
  sealed integer DEFAULT 0 NOT NULL,
  failed integer DEFAULT 0 NOT NULL,
  reason text NOT NULL,
  ended_at timestamptz,
  told_at timestamptz,
  tell_at timestamptz,
  tell_tries integer DEFAULT 0 NOT NULL,
  files_deleted_at timestamptz
);
CREATE INDEX ix_seal_job_client ON seal_job (client, asked_at);
CREATE INDEX ix_seal_job_open ON seal_job (asked_at) WHERE ended_at IS NULL;
CREATE INDEX ix_seal_job_tell ON seal_job (tell_at) WHERE tell_at IS NOT NULL;
CREATE INDEX ix_seal_job_files ON seal_job (ended_at) WHERE files_deleted_at IS NULL;
CREATE TABLE seal_job_item (
  job uuid NOT NULL CONSTRAINT fk_seal_job_item_job REFERENCES seal_job (id),
  number integer NOT NULL,
  campus text NOT NULL,
  name text NOT NULL,
  source text NOT NULL,
  sha256 text NOT NULL,
  state text NOT NULL,
  leased_until timestamptz,
  tries integer DEFAULT 0 NOT NULL,
  result_sha256 text,
  result_size bigint,
  fault text,
  detail text NOT NULL,
  CONSTRAINT pk_seal_job_item PRIMARY KEY (job, number)
);
CREATE INDEX ix_seal_job_item_waiting ON seal_job_item (job, number) WHERE state = 'waiting';
CREATE INDEX ix_seal_job_item_failed ON seal_job_item (job, number) WHERE state = 'failed';
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in ("seal_job", "seal_job_item"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
