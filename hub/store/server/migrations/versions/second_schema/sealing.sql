-- Seals: who applied for them, who may use them, the register of their uses; jobs of other systems; SM2 sides.

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

CREATE TABLE seal_sm2 (
  seal uuid CONSTRAINT pk_seal_sm2 PRIMARY KEY CONSTRAINT fk_seal_sm2_seal REFERENCES seal (id),
  campus text NOT NULL,
  encoded bytea NOT NULL,
  chain bytea[] NOT NULL,
  width double precision NOT NULL,
  height double precision NOT NULL,
  key_place text NOT NULL,
  key_label text NOT NULL,
  key_sealed bytea,
  begins_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  made_at timestamptz NOT NULL
);
