"""Acts that issue many contracts may wait for somebody else's approval."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
expands_only = True


def upgrade() -> None:
    op.execute(
        "ALTER TABLE issue_act ADD COLUMN needs_approval boolean NOT NULL DEFAULT false, ADD COLUMN decided_by text,"
        " ADD COLUMN decided_at timestamptz, ADD COLUMN refused boolean NOT NULL DEFAULT false"
    )
    op.execute("ALTER TABLE issue_item ADD COLUMN approved_digest bytea")
