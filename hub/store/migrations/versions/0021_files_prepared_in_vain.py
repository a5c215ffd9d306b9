"""files that were prepared in vain are deleted by the purge, which remembers it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""

LEFT_BEHIND = "state = 'LAPSED' AND task IS NOT NULL AND prepared_deleted_at IS NULL"


def upgrade() -> None:
    op.add_column("signature_request", sa.Column("prepared_deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_signature_request_left_behind", "signature_request", ["expires_at"], unique=False,
        postgresql_where=sa.text(LEFT_BEHIND),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_signature_request_left_behind", table_name="signature_request")
    op.drop_column("signature_request", "prepared_deleted_at")
