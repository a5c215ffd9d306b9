"""How staff tasks were settled; contracts found by the end of their number."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
expands_only = True

STATEMENTS = """
ALTER TABLE staff_task ADD COLUMN outcome text, ADD COLUMN note text;
CREATE INDEX ix_staff_task_done ON staff_task (done_at, id) WHERE done_at IS NOT NULL;
ALTER TABLE contract
  ADD COLUMN number_reversed text COLLATE "C" GENERATED ALWAYS AS (reverse(upper(number))) STORED;
CREATE INDEX ix_contract_number_reversed ON contract (number_reversed) INCLUDE (campus);
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
