-- Calls to the outside: written before each, closed after it.

CREATE TABLE attempt (
  id uuid CONSTRAINT pk_attempt PRIMARY KEY,
  kind text NOT NULL,
  contract uuid,
  request uuid,
  state text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz,
  failure text
);
CREATE INDEX ix_attempt_contract ON attempt (contract);
