-- What reaches us: calls of providers, and what people write.

CREATE TABLE callback (
  id uuid CONSTRAINT pk_callback PRIMARY KEY,
  provider text NOT NULL,
  call_sealed bytea,
  received_at timestamptz NOT NULL,
  tries integer NOT NULL DEFAULT 0,
  due_at timestamptz,
  handled_at timestamptz,
  outcome text
);
CREATE INDEX ix_callback_due ON callback (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE inbound_message (
  id uuid CONSTRAINT pk_inbound_message PRIMARY KEY,
  provider text NOT NULL,
  reference text NOT NULL,
  sender_sealed bytea NOT NULL,
  sender_hash bytea NOT NULL,
  text_sealed bytea NOT NULL,
  received_at timestamptz NOT NULL,
  wish text,
  outcome text
);
CREATE INDEX ix_inbound_message_sender ON inbound_message (sender_hash, received_at);
CREATE INDEX ix_inbound_message_wish ON inbound_message (provider, wish, received_at);
-- The provider's own id: a repeated call counts once.
CREATE UNIQUE INDEX uq_inbound_message_reference ON inbound_message (provider, reference);
