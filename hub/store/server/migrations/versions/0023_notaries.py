"""Receipts of notaries that follow a promise."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
expands_only = True

STATEMENTS = """
ALTER TABLE hash_tree_receipt ADD COLUMN is_final boolean NOT NULL DEFAULT true;
ALTER TABLE hash_tree_receipt DROP CONSTRAINT pk_hash_tree_receipt;
ALTER TABLE hash_tree_receipt ADD CONSTRAINT pk_hash_tree_receipt PRIMARY KEY (day, notary, is_final);
ALTER TABLE hash_tree_receipt ALTER COLUMN is_final DROP DEFAULT;
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
