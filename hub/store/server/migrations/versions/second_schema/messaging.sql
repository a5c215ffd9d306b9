-- Messages counted by time, with their segments.

ALTER TABLE delivery ADD COLUMN segments integer;
CREATE INDEX ix_delivery_written ON delivery (created_at)
  INCLUDE (id, contract, campus, channel, provider, state, purpose, failure_kind, segments);
