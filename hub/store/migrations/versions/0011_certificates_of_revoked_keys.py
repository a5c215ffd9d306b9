"""when the certificates of a revoked key are revoked at their authorities"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one, but plans no revocation at authorities."""


def upgrade() -> None:
    op.add_column("app_key", sa.Column("certificates_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("app_key", sa.Column("certificate_tries", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(
        "ix_app_key_certificates_due", "app_key", ["certificates_due_at"],
        unique=False, postgresql_where=sa.text("certificates_due_at IS NOT NULL"),
    )  # fmt: skip
    op.create_index(op.f("ix_issued_certificate_signer"), "issued_certificate", ["signer"], unique=False)
    # Of keys that were revoked before, too: as many as still have a certificate.
    op.execute("UPDATE app_key SET certificates_due_at = now() WHERE revoked_at > now() - interval '1 year'")


def downgrade() -> None:
    op.drop_index(op.f("ix_issued_certificate_signer"), table_name="issued_certificate")
    op.drop_index("ix_app_key_certificates_due", table_name="app_key")
    op.drop_column("app_key", "certificate_tries")
    op.drop_column("app_key", "certificates_due_at")
