"""Whether a contract has an unfinished signature request is read in the statement that locks the contract."""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0035"
branch_labels = None
depends_on = None
expands_only = True

# It is VOLATILE: called with what `lock_visit` has locked, it sees what was committed while that function waited.
_HAS_REQUESTS = """
CREATE FUNCTION has_requests(of_contract uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM signature_request AS one WHERE one.contract = of_contract AND one.state IN ('PREPARED', 'ACCEPTED')
  );
END
$$
"""


def upgrade() -> None:
    op.execute(_HAS_REQUESTS)
