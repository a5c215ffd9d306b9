"""What keeps long seal jobs fast: an index of the uses that have begun and not ended, and statistics of their files."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0028"
branch_labels = None
depends_on = None
expands_only = True

# Without them, each lease of a job that was just listed reads all files of the job that are left. Only the owner of a
# table may gather its statistics.
_ANALYZE = """
CREATE FUNCTION analyze_seal_job_items() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  ANALYZE seal_job_item;
END
$$
"""


def upgrade() -> None:
    op.execute("CREATE INDEX ix_seal_use_open ON seal_use (seal, begun_at) WHERE outcome = 'attempt'")
    op.execute(_ANALYZE)
