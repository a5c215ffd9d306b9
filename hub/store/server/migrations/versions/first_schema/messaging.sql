-- Messages on their way, the providers that carry them, what was spent, and who wants none.

CREATE TABLE provider (
  name text CONSTRAINT pk_provider PRIMARY KEY,
  weight double precision NOT NULL,
  changed_at timestamptz NOT NULL,
  broken_at timestamptz,
  broken_reason text,
  rests_until timestamptz,
  until_delivered boolean NOT NULL DEFAULT false
);

CREATE TABLE provider_lane (
  provider text NOT NULL,
  lane text NOT NULL,
  booked_until timestamptz NOT NULL,
  CONSTRAINT pk_provider_lane PRIMARY KEY (provider, lane)
);

CREATE TABLE delivery (
  id uuid CONSTRAINT pk_delivery PRIMARY KEY,
  key text NOT NULL CONSTRAINT uq_delivery_key UNIQUE,
  purpose text NOT NULL,
  channel text NOT NULL,
  provider text,
  language text NOT NULL,
  to_sealed bytea NOT NULL,
  to_hash bytea NOT NULL,
  text text NOT NULL,
  variables jsonb NOT NULL,
  state text NOT NULL,
  contract uuid,
  signer uuid,
  task uuid,
  campus text,
  person text,
  link uuid,
  code uuid,
  created_at timestamptz NOT NULL,
  planned_at timestamptz,
  state_at timestamptz,
  provider_reference text,
  failure text,
  failure_kind text,
  intent text,
  rung integer NOT NULL DEFAULT 0,
  shape text,
  calls integer NOT NULL DEFAULT 0,
  called_at timestamptz,
  not_before timestamptz,
  check_at timestamptz
);
CREATE INDEX ix_delivery_check ON delivery (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX ix_delivery_person ON delivery (person, created_at);
CREATE INDEX ix_delivery_reference ON delivery (provider_reference) WHERE provider_reference IS NOT NULL;
CREATE INDEX ix_delivery_task ON delivery (task);
CREATE INDEX ix_delivery_to ON delivery (to_hash, created_at);
CREATE INDEX ix_delivery_unsettled ON delivery (created_at) WHERE state IN ('sending', 'unknown');
CREATE INDEX ix_delivery_contract ON delivery (contract, state) INCLUDE (campus, purpose);

CREATE TABLE delivery_share (
  delivery uuid NOT NULL CONSTRAINT fk_delivery_share_delivery REFERENCES delivery (id),
  task uuid NOT NULL CONSTRAINT fk_delivery_share_task REFERENCES signing_task (id),
  contract uuid NOT NULL CONSTRAINT fk_delivery_share_contract REFERENCES contract (id),
  signer uuid NOT NULL,
  campus text NOT NULL,
  purpose text NOT NULL,
  number integer NOT NULL,
  CONSTRAINT pk_delivery_share PRIMARY KEY (delivery, task)
);
CREATE INDEX ix_delivery_share_contract ON delivery_share (contract);
CREATE INDEX ix_delivery_share_task ON delivery_share (task);

CREATE TABLE outbox_message (
  key text CONSTRAINT pk_outbox_message PRIMARY KEY,
  accepted_at timestamptz DEFAULT clock_timestamp()
);

CREATE TABLE budget (
  kind text NOT NULL,
  subject text NOT NULL,
  begins_at timestamptz NOT NULL,
  spent integer NOT NULL,
  CONSTRAINT pk_budget PRIMARY KEY (kind, subject, begins_at)
);

CREATE TABLE opt_out (
  number_hash bytea NOT NULL,
  channel text NOT NULL,
  since timestamptz NOT NULL,
  source text NOT NULL,
  CONSTRAINT pk_opt_out PRIMARY KEY (number_hash, channel)
);
