"""keys in the keystores of apps, each bound to a person"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one, but knows nothing of a revocation there."""

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"


def upgrade() -> None:
    op.create_table(
        "app_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("spki_hash", sa.LargeBinary(), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("contract", sa.Uuid(), nullable=False),
        sa.Column("signer", sa.Uuid(), nullable=False),
        sa.Column("label_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("attestation", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.Column("challenge", sa.LargeBinary(), nullable=True),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["contract"], ["contract.id"], name=op.f("fk_app_key_contract")),
        sa.ForeignKeyConstraint(["signer"], ["signer.id"], name=op.f("fk_app_key_signer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_key")),
        sa.UniqueConstraint("spki_hash", name=op.f("uq_app_key_spki_hash")),
    )
    op.create_index(op.f("ix_app_key_person"), "app_key", ["person"], unique=False)
    # A key is its person's, at whichever campus they bound it: whoever sees the person sees it. The policy of `signer`
    # holds inside this query too.
    theirs = f"{ALL} OR EXISTS (SELECT 1 FROM signer WHERE signer.person = app_key.person)"  # noqa: S608 - names of ours
    op.execute("ALTER TABLE app_key ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON app_key USING ({theirs}) WITH CHECK ({theirs})")


def downgrade() -> None:
    op.drop_index(op.f("ix_app_key_person"), table_name="app_key")
    op.drop_table("app_key")
