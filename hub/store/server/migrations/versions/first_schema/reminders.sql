-- What a campus changes about reminders, their ledger, and what staff remind together.

CREATE TABLE reminder_policy (
  campus text NOT NULL CONSTRAINT fk_reminder_policy_campus REFERENCES campus (id),
  kind text NOT NULL,
  subject text NOT NULL,
  changes jsonb NOT NULL,
  changed_by text NOT NULL,
  changed_at timestamptz NOT NULL,
  CONSTRAINT pk_reminder_policy PRIMARY KEY (campus, kind, subject)
);

CREATE TABLE reminder_entry (
  id bigserial CONSTRAINT pk_reminder_entry PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_reminder_entry_contract REFERENCES contract (id),
  task uuid NOT NULL,
  campus text NOT NULL,
  kind text NOT NULL,
  step text,
  number integer NOT NULL,
  due_at timestamptz,
  at timestamptz NOT NULL,
  reason text,
  delivery uuid
);
CREATE INDEX ix_reminder_entry_contract ON reminder_entry (contract);

CREATE TABLE many_reminded (
  act uuid NOT NULL,
  task uuid NOT NULL CONSTRAINT fk_many_reminded_task REFERENCES signing_task (id),
  contract uuid NOT NULL CONSTRAINT fk_many_reminded_contract REFERENCES contract (id),
  campus text NOT NULL CONSTRAINT fk_many_reminded_campus REFERENCES campus (id),
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  outcome text,
  ended_at timestamptz,
  CONSTRAINT pk_many_reminded PRIMARY KEY (act, task)
);
CREATE INDEX ix_many_reminded_asked_at ON many_reminded (asked_at);
CREATE INDEX ix_many_reminded_left ON many_reminded (act, contract) WHERE outcome IS NULL;
