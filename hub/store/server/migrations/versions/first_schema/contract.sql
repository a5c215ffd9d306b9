-- Contracts, their signers and tasks, and the versions of their files.

CREATE TABLE contract_number (
  year serial CONSTRAINT pk_contract_number PRIMARY KEY,
  last integer NOT NULL
);

CREATE TABLE contract (
  id uuid CONSTRAINT pk_contract PRIMARY KEY,
  number text NOT NULL CONSTRAINT uq_contract_number UNIQUE,
  campus text NOT NULL CONSTRAINT fk_contract_campus REFERENCES campus (id),
  course text,
  enrolment uuid,
  external_id text,
  state text NOT NULL,
  version integer NOT NULL,
  template text NOT NULL,
  template_version text NOT NULL,
  language text NOT NULL,
  title text NOT NULL,
  student_name text NOT NULL,
  data_sealed bytea NOT NULL,
  pages integer NOT NULL,
  fields text[] NOT NULL,
  document text,
  issued_sha256 text,
  revision integer NOT NULL,
  deadline timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  issued_at timestamptz,
  completed_at timestamptz,
  ended_at timestamptz,
  reason text,
  replaces uuid,
  replaced_by uuid,
  hub_due_at timestamptz,
  hub_tries integer NOT NULL,
  stuck_since timestamptz,
  stuck_reason text
);
CREATE INDEX ix_contract_board ON contract (campus, state, created_at);
CREATE INDEX ix_contract_external ON contract (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX ix_contract_hub_due ON contract (hub_due_at) WHERE hub_due_at IS NOT NULL;
CREATE INDEX ix_contract_recent ON contract (created_at, id);
CREATE INDEX ix_contract_stuck ON contract (campus, stuck_since) WHERE stuck_since IS NOT NULL;
CREATE INDEX ix_contract_pending ON contract (deadline, id) INCLUDE (campus) WHERE state = 'ISSUED';
CREATE INDEX ix_contract_name ON contract (student_name, id) INCLUDE (campus);

CREATE TABLE signer (
  id uuid CONSTRAINT pk_signer PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_signer_contract REFERENCES contract (id),
  campus text NOT NULL,
  role text NOT NULL,
  name text NOT NULL,
  phone_sealed bytea NOT NULL,
  phone_hash bytea NOT NULL,
  phone_tail_hash bytea,
  id_type text NOT NULL,
  id_number_sealed bytea NOT NULL,
  id_tail_hash bytea NOT NULL,
  person text NOT NULL,
  "order" integer NOT NULL,
  language text NOT NULL,
  field text NOT NULL,
  channels text[] NOT NULL,
  zone text NOT NULL,
  email_sealed bytea,
  relation text,
  salt bytea
);
CREATE INDEX ix_signer_contract ON signer (contract);
CREATE INDEX ix_signer_id_tail ON signer (campus, id_tail_hash);
CREATE INDEX ix_signer_person ON signer (person);
CREATE INDEX ix_signer_phone_hash ON signer (phone_hash);
CREATE INDEX ix_signer_phone_tail ON signer (campus, phone_tail_hash);
CREATE INDEX ix_signer_name ON signer (name) INCLUDE (contract, campus);

CREATE TABLE signing_task (
  id uuid CONSTRAINT pk_signing_task PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_signing_task_contract REFERENCES contract (id),
  signer uuid NOT NULL CONSTRAINT fk_signing_task_signer REFERENCES signer (id),
  campus text NOT NULL,
  state text NOT NULL,
  "order" integer NOT NULL,
  next_step text,
  step_number integer NOT NULL,
  next_due_at timestamptz,
  leased_until timestamptz,
  claimable_at timestamptz GENERATED ALWAYS AS (greatest(next_due_at, leased_until)) STORED,
  invited_at timestamptz,
  opened_at timestamptz,
  opened_through text,
  accepted_at timestamptz,
  signed_at timestamptz,
  paused boolean NOT NULL
);
-- Sleeping tasks cost nothing: a worker looks up the earliest due one here.
CREATE INDEX ix_signing_task_claimable ON signing_task (claimable_at) WHERE state = 'OPEN';
CREATE INDEX ix_signing_task_signer ON signing_task (signer);
CREATE INDEX ix_signing_task_contract ON signing_task (contract) INCLUDE (campus, opened_at);

CREATE TABLE document_version (
  id bigserial CONSTRAINT pk_document_version PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_document_version_contract REFERENCES contract (id),
  kind text NOT NULL,
  sha256 text NOT NULL,
  size integer NOT NULL,
  created_at timestamptz NOT NULL,
  file text,
  erased_at timestamptz
);
CREATE INDEX ix_document_version_contract ON document_version (contract);
CREATE INDEX ix_document_version_sha256 ON document_version USING hash (sha256);
