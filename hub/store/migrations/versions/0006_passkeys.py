"""passkeys of persons; a confirmation beside a signature; when a page reported that it deleted its key"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"


def upgrade() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("rp_id", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("synced", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("rp_id", "credential_id", name=op.f("uq_passkey_rp_id_credential_id")),
    )
    op.create_index("ix_passkey_person", "passkey", ["person"], unique=False)
    op.add_column("signature_request", sa.Column("confirmation", sa.LargeBinary(), nullable=True))
    op.add_column("signature_request", sa.Column("key_deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("ALTER TABLE passkey ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON passkey USING ({ALL}) WITH CHECK ({ALL})")


def downgrade() -> None:
    op.drop_column("signature_request", "key_deleted_at")
    op.drop_column("signature_request", "confirmation")
    op.drop_table("passkey")
