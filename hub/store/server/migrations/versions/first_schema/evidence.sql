-- The hash-chained record of each contract, its head, and the erasable values behind its commitments.

CREATE TABLE record_entry (
  contract uuid NOT NULL,
  sequence integer NOT NULL,
  campus text NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  actor text NOT NULL,
  facts jsonb NOT NULL,
  previous bytea NOT NULL,
  digest bytea NOT NULL,
  CONSTRAINT pk_record_entry PRIMARY KEY (contract, sequence)
);

CREATE TABLE record_head (
  contract uuid CONSTRAINT pk_record_head PRIMARY KEY,
  campus text NOT NULL,
  entries integer NOT NULL,
  digest bytea NOT NULL
);

-- The database itself keeps the head, with every entry and in its transaction, and refuses one that does not follow.
-- Whoever deletes the last entries leaves a chain that is whole, and a head that says that it was longer.
CREATE FUNCTION follow_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  IF NEW.sequence = 1 AND NEW.previous = decode(repeat('00', 32), 'hex') THEN
    INSERT INTO record_head (contract, campus, entries, digest)
    VALUES (NEW.contract, NEW.campus, 1, NEW.digest) ON CONFLICT DO NOTHING;
  ELSE
    UPDATE record_head SET entries = NEW.sequence, digest = NEW.digest
    WHERE contract = NEW.contract AND entries = NEW.sequence - 1 AND digest = NEW.previous;
  END IF;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'entry % does not follow the last one in the record of contract %', NEW.sequence, NEW.contract
    USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER follow_record AFTER INSERT ON record_entry FOR EACH ROW EXECUTE FUNCTION follow_record();

-- Lock these records until the transaction ends, in the order in which everybody does, and return their heads as they
-- are then: each statement of the function sees what was committed before it.
CREATE FUNCTION lock_records(contracts uuid[]) RETURNS TABLE (contract uuid, entries integer, digest bytea)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(ordered.number)
  FROM (SELECT hashtextextended(theirs.id::text, 1) AS number FROM unnest(contracts) AS theirs (id) ORDER BY 1) AS ordered;
  RETURN QUERY SELECT head.contract, head.entries, head.digest FROM record_head AS head WHERE head.contract = ANY (contracts);
END
$$;

CREATE TABLE personal_value (
  contract uuid NOT NULL,
  commitment text NOT NULL,
  campus text NOT NULL,
  signer uuid,
  name text NOT NULL,
  value_sealed bytea NOT NULL,
  salt bytea,
  CONSTRAINT pk_personal_value PRIMARY KEY (contract, commitment)
);
