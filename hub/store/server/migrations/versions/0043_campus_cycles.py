"""A use of a seal ends even if somebody wrote campuses into the database that stand above each other in a circle."""

from __future__ import annotations

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None
expands_only = True

# As in 0035, apart from CYCLE: a campus that comes again is marked, and leads no further up.
_LOCK_SEAL = """
CREATE OR REPLACE FUNCTION lock_seal_for_use(wanted uuid, grantees text[], place text, uses uuid[])
RETURNS TABLE (its_seal seal, its_grant seal_grant, its_use seal_use, grant_distance integer)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM FROM seal WHERE id = wanted FOR SHARE;
  PERFORM FROM seal_grant AS own WHERE own.seal = wanted AND own.revoked_at IS NULL
    AND own.grantee_kind || ':' || own.grantee = ANY (grantees) AND own.max_uses IS NOT NULL
    ORDER BY own.id FOR NO KEY UPDATE;
  RETURN QUERY WITH RECURSIVE above (id, parent, steps) AS (
    SELECT campus.id, campus.parent, 0 FROM campus WHERE campus.id = place
    UNION ALL SELECT campus.id, campus.parent, above.steps + 1 FROM campus JOIN above ON campus.id = above.parent
  ) CYCLE id SET is_again USING path
  SELECT seal, NULL::seal_grant, NULL::seal_use, NULL::integer FROM seal WHERE seal.id = wanted
  UNION ALL
  SELECT NULL, own, NULL, above.steps FROM seal_grant AS own
  LEFT JOIN above ON above.id = own.campus AND NOT above.is_again
  WHERE own.seal = wanted AND own.revoked_at IS NULL AND own.grantee_kind || ':' || own.grantee = ANY (grantees)
  UNION ALL
  SELECT NULL, NULL, line, NULL FROM seal_use AS line WHERE line.id = ANY (uses);
END
$$
"""


def upgrade() -> None:
    op.execute(_LOCK_SEAL)
