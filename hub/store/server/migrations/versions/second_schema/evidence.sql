-- Packages put together from stored files, addenda, renewals of evidence records, receipts, legal holds, erasures.

ALTER TABLE evidence_package
  ADD COLUMN file text, ADD COLUMN pieces jsonb, ADD COLUMN renewals integer DEFAULT 0 NOT NULL;
ALTER TABLE evidence_package DISABLE TRIGGER keep_evidence;
UPDATE evidence_package SET file = sha256;
ALTER TABLE evidence_package ENABLE TRIGGER keep_evidence;
ALTER TABLE evidence_package ALTER COLUMN file SET NOT NULL;
CREATE INDEX ix_evidence_package_sha256 ON evidence_package USING hash (sha256);
CREATE INDEX ix_evidence_package_file ON evidence_package USING hash (file);

CREATE TABLE evidence_renewal (
  id integer CONSTRAINT pk_evidence_renewal PRIMARY KEY,
  algorithm text NOT NULL,
  is_tree boolean NOT NULL,
  leaves integer NOT NULL,
  root bytea NOT NULL,
  timestamp bytea NOT NULL,
  made_at timestamptz NOT NULL
);

CREATE TABLE evidence_renewal_leaf (
  renewal integer NOT NULL,
  position integer NOT NULL,
  day date,
  renewed integer,
  contract uuid,
  leaf bytea NOT NULL,
  CONSTRAINT pk_evidence_renewal_leaf PRIMARY KEY (renewal, position)
);
CREATE INDEX ix_evidence_renewal_leaf_day ON evidence_renewal_leaf (day, renewal) WHERE day IS NOT NULL;
CREATE INDEX ix_evidence_renewal_leaf_renewed ON evidence_renewal_leaf (renewed, renewal) WHERE renewed IS NOT NULL;
CREATE INDEX ix_evidence_renewal_leaf_contract ON evidence_renewal_leaf (contract, renewal) WHERE contract IS NOT NULL;

CREATE TABLE hash_tree_receipt (
  day date NOT NULL,
  notary text NOT NULL,
  reference text NOT NULL,
  receipt bytea NOT NULL,
  at timestamptz NOT NULL,
  is_final boolean NOT NULL,
  CONSTRAINT pk_hash_tree_receipt PRIMARY KEY (day, notary, is_final)
);

CREATE TABLE legal_hold (
  id uuid CONSTRAINT pk_legal_hold PRIMARY KEY,
  contract uuid NOT NULL,
  campus text NOT NULL,
  reason text NOT NULL,
  placed_by text NOT NULL,
  placed_at timestamptz NOT NULL,
  until timestamptz,
  lifted_by text,
  lifted_at timestamptz
);
CREATE INDEX ix_legal_hold_contract ON legal_hold (contract);

CREATE TABLE erasure_request (
  id uuid CONSTRAINT pk_erasure_request PRIMARY KEY,
  campus text NOT NULL CONSTRAINT fk_erasure_request_campus REFERENCES campus (id),
  sought_sealed bytea NOT NULL,
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  confirmed_by text,
  confirmed_at timestamptz
);

CREATE TABLE evidence_addendum (
  contract uuid NOT NULL,
  number integer NOT NULL,
  campus text NOT NULL,
  sha256 text NOT NULL,
  size bigint NOT NULL,
  made_at timestamptz NOT NULL,
  entries integer NOT NULL,
  renewals integer NOT NULL,
  revoked text[] NOT NULL,
  CONSTRAINT pk_evidence_addendum PRIMARY KEY (contract, number)
);
CREATE INDEX ix_evidence_addendum_sha256 ON evidence_addendum USING hash (sha256);
