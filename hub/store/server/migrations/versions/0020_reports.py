"""Reports: when contracts were signed, the segments of messages, indexes by time, and who gets a weekly mail."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
STATEMENTS = """
ALTER TABLE contract ADD COLUMN signed_at timestamptz;
ALTER TABLE delivery ADD COLUMN segments integer;
CREATE INDEX ix_contract_issued ON contract (issued_at)
  INCLUDE (id, campus, course, state, signed_at, completed_at) WHERE issued_at IS NOT NULL;
CREATE INDEX ix_delivery_written ON delivery (created_at)
  INCLUDE (id, contract, campus, channel, provider, state, purpose, failure_kind, segments);
CREATE TABLE weekly_report (
  staff uuid CONSTRAINT pk_weekly_report PRIMARY KEY CONSTRAINT fk_weekly_report_staff REFERENCES staff (id),
  campus text NOT NULL CONSTRAINT fk_weekly_report_campus REFERENCES campus (id),
  email_sealed bytea NOT NULL,
  language text NOT NULL,
  since timestamptz NOT NULL,
  week date,
  state text,
  tries integer NOT NULL DEFAULT 0,
  begun_at timestamptz,
  due_at timestamptz,
  failure text
);
ALTER TABLE weekly_report ENABLE ROW LEVEL SECURITY;
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(f"CREATE POLICY campus_scope ON weekly_report USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
