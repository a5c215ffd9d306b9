"""Documents that are signed together as a set."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
expands_only = True

STATEMENTS = """
ALTER TABLE contract ADD COLUMN set_id uuid;
CREATE INDEX ix_contract_set ON contract (set_id) WHERE set_id IS NOT NULL;
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
