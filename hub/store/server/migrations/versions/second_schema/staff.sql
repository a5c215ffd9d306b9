-- Logins by the school's own service, acts on many contracts, how tasks were settled, weekly mails.

ALTER TABLE staff ADD COLUMN login_issuer text, ADD COLUMN login_subject text;
CREATE UNIQUE INDEX uq_staff_login_subject ON staff (login_issuer, login_subject);
ALTER TABLE staff_session ADD COLUMN by_provider boolean NOT NULL DEFAULT false;

CREATE TABLE bulk_act (
  id uuid CONSTRAINT pk_bulk_act PRIMARY KEY,
  campus text NOT NULL CONSTRAINT fk_bulk_act_campus REFERENCES campus (id),
  kind text NOT NULL,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  deadline date,
  may_issue boolean NOT NULL,
  reason_sealed bytea
);
CREATE INDEX ix_bulk_act_asked_at ON bulk_act (asked_at);

CREATE TABLE bulk_item (
  act uuid NOT NULL CONSTRAINT fk_bulk_item_act REFERENCES bulk_act (id),
  contract uuid NOT NULL CONSTRAINT fk_bulk_item_contract REFERENCES contract (id),
  campus text NOT NULL CONSTRAINT fk_bulk_item_campus REFERENCES campus (id),
  ordinal integer NOT NULL,
  tries integer NOT NULL DEFAULT 0,
  verdict text,
  failure_sealed bytea,
  replaced_by uuid,
  ended_at timestamptz,
  CONSTRAINT pk_bulk_item PRIMARY KEY (act, contract)
);
CREATE INDEX ix_bulk_item_left ON bulk_item (act, ordinal) WHERE verdict IS NULL;
ALTER TABLE staff_task ADD COLUMN outcome text, ADD COLUMN note text;
CREATE INDEX ix_staff_task_done ON staff_task (done_at, id) WHERE done_at IS NOT NULL;

CREATE TABLE weekly_report (
  staff uuid CONSTRAINT pk_weekly_report PRIMARY KEY CONSTRAINT fk_weekly_report_staff REFERENCES staff (id),
  campus text NOT NULL CONSTRAINT fk_weekly_report_campus REFERENCES campus (id),
  email_sealed bytea NOT NULL,
  language text NOT NULL,
  since timestamptz NOT NULL,
  week date,
  state text,
  tries integer NOT NULL DEFAULT 0,
  begun_at timestamptz,
  due_at timestamptz,
  failure text
);
