-- Contracts as OFD, in sets, with what signers fill in and attach; found by the end of their number, counted by time.

ALTER TABLE contract
  ADD COLUMN number_reversed text COLLATE "C" GENERATED ALWAYS AS (reverse(upper(number))) STORED,
  ADD COLUMN signed_at timestamptz,
  ADD COLUMN issued_ofd_sha256 text,
  ADD COLUMN final_ofd_sha256 text,
  ADD COLUMN set_id uuid,
  ADD COLUMN asks boolean NOT NULL DEFAULT false,
  ADD COLUMN answers_sealed bytea;
CREATE INDEX ix_contract_number_reversed ON contract (number_reversed) INCLUDE (campus);
CREATE INDEX ix_contract_issued ON contract (issued_at)
  INCLUDE (id, campus, course, state, signed_at, completed_at) WHERE issued_at IS NOT NULL;
CREATE INDEX ix_contract_set ON contract (set_id) WHERE set_id IS NOT NULL;

CREATE TABLE attachment (
  id uuid CONSTRAINT pk_attachment PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_attachment_contract REFERENCES contract (id),
  signer uuid NOT NULL CONSTRAINT fk_attachment_signer REFERENCES signer (id),
  campus text NOT NULL,
  name text NOT NULL,
  media_type text NOT NULL,
  size integer NOT NULL,
  sha256 text NOT NULL,
  file text NOT NULL,
  key_sealed bytea NOT NULL,
  given_at timestamptz NOT NULL,
  superseded_at timestamptz
);
CREATE INDEX ix_attachment_contract ON attachment (contract);
CREATE INDEX ix_attachment_file ON attachment (file);
CREATE INDEX ix_attachment_superseded ON attachment (superseded_at) WHERE superseded_at IS NOT NULL;

-- The hub's own role cannot change what was filled in, once a signature of it was accepted.
CREATE FUNCTION keep_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF old.revision = 0 AND NOT EXISTS (
    SELECT FROM signature_request WHERE contract = old.id AND state IN ('ACCEPTED', 'EMBEDDED')
  ) THEN
    RETURN new;
  END IF;
  RAISE EXCEPTION 'the answers of a signed contract are fixed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER keep_answers BEFORE UPDATE OF answers_sealed ON contract
FOR EACH ROW WHEN (current_user = 'app') EXECUTE FUNCTION keep_answers();

-- Each statement of a function sees what was committed before it, so the case is read as it is under the lock.
CREATE FUNCTION lock_case(wanted uuid, with_record boolean)
RETURNS TABLE (
  its_contract contract, its_signer signer, its_task signing_task, record_entries integer, record_digest bytea
)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM FROM contract AS c WHERE c.id = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF with_record THEN
    SELECT head.entries, head.digest INTO record_entries, record_digest FROM lock_records(ARRAY[wanted]) AS head;
  END IF;
  RETURN QUERY SELECT c, s, t, record_entries, record_digest
  FROM contract AS c LEFT JOIN (signer AS s JOIN signing_task AS t ON t.signer = s.id) ON s.contract = c.id
  WHERE c.id = wanted ORDER BY s."order", s.field;
END
$$;
