"""The few certificates that were revoked are found without reading all: each contract asks for them several times."""

from __future__ import annotations

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None
expands_only = True


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_issued_certificate_revoked ON issued_certificate (authority) WHERE revoked_at IS NOT NULL"
    )
