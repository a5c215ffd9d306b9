"""Versions of contract templates and messages that staff edit and approve."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
expands_only = True

EVERYTHING = "(SELECT current_setting('qianda.scope', true)) = '*'"
STATEMENTS = """
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
CREATE UNIQUE INDEX uq_text_version_open ON text_version (kind, subject) WHERE state IN ('draft', 'submitted')
"""
# What was approved says what it said: contracts and messages that were made from it name it.
KEEP = """
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
$$
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute("ALTER TABLE text_version ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON text_version USING ({EVERYTHING}) WITH CHECK ({EVERYTHING})")
    # Every campus issues contracts by the texts of the school, and may read them.
    op.execute("CREATE POLICY read_by_all ON text_version FOR SELECT USING (true)")
    op.execute(KEEP)
    op.execute("CREATE TRIGGER keep_text BEFORE UPDATE ON text_version FOR EACH ROW EXECUTE FUNCTION keep_text()")
