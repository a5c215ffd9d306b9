"""The rows of large tables by state, as a worker counted them last, so that no scrape of metrics counts them."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
expands_only = True

EVERYTHING = "(SELECT current_setting('qianda.scope', true)) = '*'"


def upgrade() -> None:
    op.execute("""
CREATE TABLE row_count (
  figure text CONSTRAINT pk_row_count PRIMARY KEY,
  counts jsonb NOT NULL,
  counted_at timestamptz NOT NULL,
  seconds double precision NOT NULL
)
""")
    op.execute("ALTER TABLE row_count ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON row_count USING ({EVERYTHING}) WITH CHECK ({EVERYTHING})")
