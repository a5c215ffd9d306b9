"""what alerts say: values in place of a sentence in one language"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one, and tells of a new alert by its kind alone."""


def upgrade() -> None:
    facts = sa.Column("facts", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    op.add_column("alert", facts)


def downgrade() -> None:
    op.drop_column("alert", "facts")
