"""find signers by the last four digits of a phone; workers say that they are there"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('worker_heartbeat',
    sa.Column('worker', sa.Uuid(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('worker', name=op.f('pk_worker_heartbeat'))
    )
    # Signers from before have none, and are found by the whole number.
    op.add_column('signer', sa.Column('phone_tail_hash', sa.LargeBinary(), nullable=True))
    op.create_index('ix_signer_phone_tail', 'signer', ['campus', 'phone_tail_hash'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_signer_phone_tail', table_name='signer')
    op.drop_column('signer', 'phone_tail_hash')
    op.drop_table('worker_heartbeat')
