"""Indexes from which the board is counted, searched and sorted without reading the tables."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
expands_only = True

INDEXES = (
    "DROP INDEX ix_delivery_contract",
    "CREATE INDEX ix_delivery_contract ON delivery (contract, state) INCLUDE (campus, purpose)",
    "DROP INDEX ix_signing_task_contract",
    "CREATE INDEX ix_signing_task_contract ON signing_task (contract) INCLUDE (campus, opened_at)",
    "CREATE INDEX ix_contract_pending ON contract (deadline, id) INCLUDE (campus) WHERE state = 'ISSUED'",
    "CREATE INDEX ix_contract_name ON contract (student_name, id) INCLUDE (campus)",
    "CREATE INDEX ix_signer_name ON signer (name) INCLUDE (contract, campus)",
)


def upgrade() -> None:
    for statement in INDEXES:
        op.execute(statement)
