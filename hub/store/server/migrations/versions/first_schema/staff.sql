-- Staff, how they and programs come in, what waits for them, and what they are told.

CREATE TABLE staff (
  id uuid CONSTRAINT pk_staff PRIMARY KEY,
  login text NOT NULL CONSTRAINT uq_staff_login UNIQUE,
  name text NOT NULL,
  campus text NOT NULL CONSTRAINT fk_staff_campus REFERENCES campus (id),
  role text NOT NULL,
  password_hash text NOT NULL,
  created_at timestamptz NOT NULL,
  disabled_at timestamptz,
  digest_on date,
  password_expires_at timestamptz,
  totp_sealed bytea,
  totp_since timestamptz,
  totp_step bigint
);

CREATE TABLE staff_session (
  secret_hash bytea CONSTRAINT pk_staff_session PRIMARY KEY,
  staff uuid NOT NULL CONSTRAINT fk_staff_session_staff REFERENCES staff (id),
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT uq_staff_session_id UNIQUE,
  seen_at timestamptz NOT NULL DEFAULT now(),
  browser text NOT NULL DEFAULT '',
  pending boolean NOT NULL DEFAULT false
);
CREATE INDEX ix_staff_session_staff ON staff_session (staff);

CREATE TABLE login_failure (
  id bigserial CONSTRAINT pk_login_failure PRIMARY KEY,
  login text NOT NULL,
  at timestamptz NOT NULL
);
CREATE INDEX ix_login_failure_login ON login_failure (login, at);

CREATE TABLE api_key (
  id uuid CONSTRAINT pk_api_key PRIMARY KEY,
  name text NOT NULL,
  secret_hash bytea NOT NULL CONSTRAINT uq_api_key_secret_hash UNIQUE,
  campus text NOT NULL CONSTRAINT fk_api_key_campus REFERENCES campus (id),
  created_at timestamptz NOT NULL,
  revoked_at timestamptz,
  scopes text[] NOT NULL DEFAULT '{read,issue,act,metrics}',
  expires_at timestamptz
);

CREATE TABLE idempotency (
  owner uuid NOT NULL,
  key text NOT NULL,
  request_hash bytea NOT NULL,
  status integer,
  body_sealed bytea,
  created_at timestamptz NOT NULL,
  CONSTRAINT pk_idempotency PRIMARY KEY (owner, key)
);

CREATE TABLE chat_account (
  chat text NOT NULL,
  person text NOT NULL,
  staff uuid NOT NULL CONSTRAINT fk_chat_account_staff REFERENCES staff (id),
  created_at timestamptz NOT NULL,
  CONSTRAINT pk_chat_account PRIMARY KEY (chat, person)
);

CREATE TABLE staff_task (
  id uuid CONSTRAINT pk_staff_task PRIMARY KEY,
  kind text NOT NULL,
  text text NOT NULL,
  campus text NOT NULL,
  contract uuid,
  signer uuid,
  created_at timestamptz NOT NULL,
  done_at timestamptz,
  done_by text,
  owner uuid CONSTRAINT fk_staff_task_owner REFERENCES staff (id),
  owned_at timestamptz,
  due_at timestamptz,
  taken_at timestamptz,
  climbs_at timestamptz,
  climbed_at timestamptz,
  once bytea
);
CREATE INDEX ix_staff_task_contract ON staff_task (contract);
CREATE INDEX ix_staff_task_open ON staff_task (campus, created_at) WHERE done_at IS NULL;
-- A task that is to be there once is open once at most.
CREATE UNIQUE INDEX uq_staff_task_once ON staff_task (once) WHERE done_at IS NULL;

CREATE TABLE alert (
  id uuid CONSTRAINT pk_alert PRIMARY KEY,
  kind text NOT NULL,
  text text NOT NULL,
  facts jsonb NOT NULL DEFAULT '{}',
  campus text,
  created_at timestamptz NOT NULL,
  sent_at timestamptz,
  failure text,
  tries integer NOT NULL DEFAULT 0,
  begun_at timestamptz,
  due_at timestamptz,
  reached text NOT NULL DEFAULT '',
  bundle uuid
);
CREATE INDEX ix_alert_created_at ON alert (created_at);
CREATE INDEX ix_alert_due ON alert (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE phone_change (
  id uuid CONSTRAINT pk_phone_change PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_phone_change_contract REFERENCES contract (id),
  signer uuid NOT NULL CONSTRAINT fk_phone_change_signer REFERENCES signer (id),
  campus text NOT NULL,
  person text NOT NULL,
  old_hash bytea NOT NULL,
  new_sealed bytea NOT NULL,
  new_hash bytea NOT NULL,
  reason text NOT NULL,
  state text NOT NULL,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  approvals jsonb NOT NULL,
  code uuid,
  ended_at timestamptz
);
CREATE INDEX ix_phone_change_contract ON phone_change (contract);
CREATE INDEX ix_phone_change_open ON phone_change (campus, asked_at) WHERE state = 'OPEN';

CREATE TABLE staff_recovery_code (
  staff uuid NOT NULL CONSTRAINT fk_staff_recovery_code_staff REFERENCES staff (id),
  code_hash bytea NOT NULL,
  CONSTRAINT pk_staff_recovery_code PRIMARY KEY (staff, code_hash)
);

CREATE VIEW staff_directory AS SELECT id, login, name, campus, role, disabled_at FROM staff;
