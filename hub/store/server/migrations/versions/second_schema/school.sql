-- Texts that staff edit and approve; acts that issue many contracts may wait for somebody else's approval.

ALTER TABLE issue_act
  ADD COLUMN needs_approval boolean NOT NULL DEFAULT false,
  ADD COLUMN decided_by text,
  ADD COLUMN decided_at timestamptz,
  ADD COLUMN refused boolean NOT NULL DEFAULT false;
ALTER TABLE issue_item ADD COLUMN approved_digest bytea;

CREATE TABLE text_version (
  id uuid CONSTRAINT pk_text_version PRIMARY KEY,
  kind text NOT NULL,
  subject text NOT NULL,
  number integer NOT NULL,
  state text NOT NULL,
  base text NOT NULL,
  texts jsonb NOT NULL,
  fixed jsonb NOT NULL,
  note text NOT NULL,
  revision integer NOT NULL,
  writers text[] NOT NULL,
  changed_at timestamptz NOT NULL,
  submitted_by text,
  submitted_at timestamptz,
  decided_by text,
  decided_at timestamptz
);
CREATE UNIQUE INDEX uq_text_version_number ON text_version (kind, subject, number);
CREATE UNIQUE INDEX uq_text_version_in_force ON text_version (kind, subject) WHERE state = 'in-force';
CREATE UNIQUE INDEX uq_text_version_open ON text_version (kind, subject) WHERE state IN ('draft', 'submitted');

-- What was approved says what it said: contracts and messages that were made from it name it.
CREATE FUNCTION keep_text() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF OLD.state IN ('in-force', 'superseded') AND (NEW.state NOT IN ('in-force', 'superseded') OR
    (OLD.id, OLD.kind, OLD.subject, OLD.number, OLD.base, OLD.texts, OLD.fixed, OLD.writers, OLD.decided_by)
    IS DISTINCT FROM
    (NEW.id, NEW.kind, NEW.subject, NEW.number, NEW.base, NEW.texts, NEW.fixed, NEW.writers, NEW.decided_by))
  THEN
    RAISE EXCEPTION 'an approved text is never changed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER keep_text BEFORE UPDATE ON text_version FOR EACH ROW EXECUTE FUNCTION keep_text();
