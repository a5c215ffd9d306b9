"""Acts of staff on many contracts."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
expands_only = True

EVERYTHING = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{EVERYTHING} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
OF_A_CAMPUS = ("bulk_act", "bulk_item")
STATEMENTS = """
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
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for table in OF_A_CAMPUS:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
