-- From a link to an accepted signature: sessions, codes, identity, keys, certificates, requests.

CREATE TABLE sign_link (
  id uuid CONSTRAINT pk_sign_link PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_sign_link_contract REFERENCES contract (id),
  signer uuid NOT NULL CONSTRAINT fk_sign_link_signer REFERENCES signer (id),
  campus text NOT NULL,
  door text NOT NULL,
  generation integer NOT NULL,
  ticket_hash bytea NOT NULL CONSTRAINT uq_sign_link_ticket_hash UNIQUE,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX ix_sign_link_contract ON sign_link (contract);
CREATE INDEX ix_sign_link_signer ON sign_link (signer);
-- One lasting link for each signer and door.
CREATE UNIQUE INDEX uq_sign_link_lasting ON sign_link (signer, door) WHERE revoked_at IS NULL AND expires_at IS NULL;

CREATE TABLE signing_session (
  id uuid CONSTRAINT pk_signing_session PRIMARY KEY,
  secret_hash bytea NOT NULL CONSTRAINT uq_signing_session_secret_hash UNIQUE,
  link uuid NOT NULL CONSTRAINT fk_signing_session_link REFERENCES sign_link (id),
  contract uuid NOT NULL,
  signer uuid NOT NULL,
  contracts uuid[] NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  verified_at timestamptz,
  key_challenge bytea NOT NULL,
  challenge_used boolean NOT NULL,
  key_spki bytea,
  custody_claimed text,
  custody text,
  pairing uuid,
  certificate_chain bytea[] NOT NULL
);
CREATE INDEX ix_signing_session_key_spki ON signing_session USING hash (key_spki);
CREATE INDEX ix_signing_session_signer ON signing_session (signer);
CREATE INDEX ix_signing_session_chain ON signing_session (expires_at) WHERE certificate_chain <> '{}';

CREATE TABLE one_time_code (
  id uuid CONSTRAINT pk_one_time_code PRIMARY KEY,
  person text NOT NULL,
  session uuid NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
CREATE INDEX ix_one_time_code_person ON one_time_code (person, created_at);

CREATE TABLE wrong_answer (
  id bigserial CONSTRAINT pk_wrong_answer PRIMARY KEY,
  person text NOT NULL,
  at timestamptz NOT NULL
);
CREATE INDEX ix_wrong_answer_person ON wrong_answer (person, at);

CREATE TABLE identity_check (
  id uuid CONSTRAINT pk_identity_check PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_identity_check_contract REFERENCES contract (id),
  signer uuid NOT NULL,
  session uuid NOT NULL,
  provider text NOT NULL,
  method text NOT NULL,
  result text NOT NULL,
  at timestamptz NOT NULL,
  reference text
);
CREATE INDEX ix_identity_check_contract ON identity_check (contract);

CREATE TABLE page_seen (
  task uuid NOT NULL,
  document text NOT NULL,
  page integer NOT NULL,
  at timestamptz NOT NULL,
  CONSTRAINT pk_page_seen PRIMARY KEY (task, document, page)
);

CREATE TABLE pairing (
  id uuid CONSTRAINT pk_pairing PRIMARY KEY,
  session uuid NOT NULL CONSTRAINT fk_pairing_session REFERENCES signing_session (id),
  contract uuid NOT NULL CONSTRAINT fk_pairing_contract REFERENCES contract (id),
  code_hash bytea NOT NULL CONSTRAINT uq_pairing_code_hash UNIQUE,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  claimed_at timestamptz,
  agent uuid,
  certificate bytea,
  confirmed_at timestamptz,
  ended_at timestamptz
);
CREATE INDEX ix_pairing_session ON pairing (session);

CREATE TABLE passkey (
  id uuid CONSTRAINT pk_passkey PRIMARY KEY,
  person text NOT NULL,
  rp_id text NOT NULL,
  credential_id bytea NOT NULL,
  public_key bytea NOT NULL,
  counter bigint NOT NULL,
  synced boolean NOT NULL,
  created_at timestamptz NOT NULL,
  used_at timestamptz,
  ended_at timestamptz,
  CONSTRAINT uq_passkey_rp_id_credential_id UNIQUE (rp_id, credential_id)
);
CREATE INDEX ix_passkey_person ON passkey (person);

CREATE TABLE app_key (
  id uuid CONSTRAINT pk_app_key PRIMARY KEY,
  spki_hash bytea NOT NULL CONSTRAINT uq_app_key_spki_hash UNIQUE,
  spki bytea NOT NULL,
  person text NOT NULL,
  contract uuid NOT NULL CONSTRAINT fk_app_key_contract REFERENCES contract (id),
  signer uuid NOT NULL CONSTRAINT fk_app_key_signer REFERENCES signer (id),
  label_sealed bytea NOT NULL,
  attestation text NOT NULL,
  platform text NOT NULL,
  app text NOT NULL,
  level text NOT NULL,
  reasons text[] NOT NULL,
  evidence bytea,
  challenge bytea,
  bound_at timestamptz NOT NULL,
  used_at timestamptz,
  revoked_at timestamptz,
  revoked_by text,
  reason text,
  certificates_due_at timestamptz,
  certificate_tries integer NOT NULL DEFAULT 0
);
CREATE INDEX ix_app_key_certificates_due ON app_key (certificates_due_at) WHERE certificates_due_at IS NOT NULL;
CREATE INDEX ix_app_key_person ON app_key (person);

CREATE TABLE issued_certificate (
  serial text NOT NULL,
  authority text NOT NULL,
  contract uuid,
  signer uuid,
  certificate bytea NOT NULL,
  issued_at timestamptz NOT NULL,
  not_after timestamptz NOT NULL,
  revoked_at timestamptz,
  revocation_reason text,
  -- Two authorities may give the same number.
  CONSTRAINT pk_issued_certificate PRIMARY KEY (serial, authority)
);
CREATE INDEX ix_issued_certificate_signer ON issued_certificate (signer);

CREATE TABLE signature_request (
  id uuid CONSTRAINT pk_signature_request PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_signature_request_contract REFERENCES contract (id),
  task uuid,
  session uuid,
  field text NOT NULL,
  state text NOT NULL,
  base text NOT NULL,
  prepared text NOT NULL,
  gap_start integer NOT NULL,
  gap_end integer NOT NULL,
  document_digest bytea NOT NULL,
  to_be_signed bytea NOT NULL,
  chain bytea[] NOT NULL,
  custody_claimed text,
  custody text,
  consent_version text,
  consent_sha256 text,
  signature bytea,
  confirmation bytea,
  key_deleted_at timestamptz,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  accepted_at timestamptz,
  embedded_at timestamptz,
  prepared_deleted_at timestamptz
);
CREATE INDEX ix_signature_request_contract ON signature_request (contract, state);
-- One accepted signature holds the revision; a contract has at most one seal that was not given up.
CREATE UNIQUE INDEX uq_signature_request_accepted ON signature_request (contract) WHERE state = 'ACCEPTED';
CREATE UNIQUE INDEX uq_signature_request_seal ON signature_request (contract) WHERE task IS NULL AND state <> 'LAPSED';
CREATE INDEX ix_signature_request_left_behind ON signature_request (id)
  WHERE state IN ('LAPSED', 'EMBEDDED') AND prepared_deleted_at IS NULL;
CREATE INDEX ix_signature_request_prepared ON signature_request USING hash (prepared)
  WHERE prepared_deleted_at IS NULL;

-- Certificates that many requests share. They are no secret and belong to no campus: no row-level security.
CREATE TABLE shared_certificate (
  sha256 bytea CONSTRAINT pk_shared_certificate PRIMARY KEY,
  certificate bytea NOT NULL,
  CONSTRAINT ck_shared_certificate_hash CHECK (sha256 = sha256(certificate))
);
