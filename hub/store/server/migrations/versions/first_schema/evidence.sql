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

CREATE TABLE evidence_package (
  contract uuid NOT NULL,
  version integer NOT NULL,
  campus text NOT NULL,
  sha256 text NOT NULL,
  size bigint NOT NULL,
  leaf bytea NOT NULL,
  made_at timestamptz NOT NULL,
  CONSTRAINT pk_evidence_package PRIMARY KEY (contract, version)
);

CREATE TABLE evidence_due (
  contract uuid CONSTRAINT pk_evidence_due PRIMARY KEY,
  campus text NOT NULL,
  due_at timestamptz NOT NULL,
  tries integer DEFAULT 0 NOT NULL
);
CREATE INDEX ix_evidence_due_due_at ON evidence_due (due_at);

CREATE TABLE hash_tree (
  day date CONSTRAINT pk_hash_tree PRIMARY KEY,
  leaves integer NOT NULL,
  root bytea NOT NULL,
  timestamps bytea[] NOT NULL,
  made_at timestamptz NOT NULL
);

CREATE TABLE hash_tree_leaf (
  day date NOT NULL,
  position integer NOT NULL,
  kind text NOT NULL,
  contract uuid,
  number text NOT NULL,
  entries integer NOT NULL,
  leaf bytea NOT NULL,
  CONSTRAINT pk_hash_tree_leaf PRIMARY KEY (day, position)
);
CREATE INDEX ix_hash_tree_leaf_contract ON hash_tree_leaf (contract, kind, entries);

-- Owners of tables may switch a trigger off, and `qianda doctor --records` says so.
CREATE FUNCTION keep_evidence() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are evidence and are never changed', TG_TABLE_NAME
  USING ERRCODE = 'integrity_constraint_violation';
END
$$;
