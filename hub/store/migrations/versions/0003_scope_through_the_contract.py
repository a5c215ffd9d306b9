"""rows that hang on a contract are scoped through it; one lasting link for each signer and door"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
OF_A_CONTRACT = ("document_version", "signature_request", "identity_check", "attempt", "signing_session", "issued_certificate")
OF_THE_HUB = ("one_time_code", "wrong_answer")


def upgrade() -> None:
    for table in OF_A_CONTRACT:
        # The policy of `contract` holds inside this query too.
        secure(table, f"{ALL} OR EXISTS (SELECT 1 FROM contract WHERE contract.id = {table}.contract)")  # noqa: S608 - names of ours
    secure("page_seen", f"{ALL} OR EXISTS (SELECT 1 FROM signing_task WHERE signing_task.id = page_seen.task)")  # noqa: S608
    for table in OF_THE_HUB:
        secure(table, ALL)
    op.create_index(
        'uq_sign_link_lasting', 'sign_link', ['signer', 'door'], unique=True,
        postgresql_where=sa.text("revoked_at IS NULL AND expires_at IS NULL"),
    )


def secure(table: str, allowed: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON {table} USING ({allowed}) WITH CHECK ({allowed})")


def downgrade() -> None:
    op.drop_index('uq_sign_link_lasting', table_name='sign_link')
    for table in (*OF_A_CONTRACT, "page_seen", *OF_THE_HUB):
        op.execute(f"DROP POLICY campus_scope ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
