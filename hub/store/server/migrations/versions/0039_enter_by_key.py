"""An API key is looked up in the statement that begins a transaction in its scope."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
expands_only = True

# It returns the key, and the campuses of its scope: NULL if the key is of headquarters, to which everything belongs.
# Whether the key has expired is for the caller to see, by the clock of the hub.
_ENTER_BY_KEY = """
CREATE FUNCTION enter_by_key(secret bytea) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  caller jsonb;
  campuses text[];
BEGIN
  PERFORM set_config('qianda.scope', '*', true);
  SELECT jsonb_build_object(
    'id', k.id, 'name', k.name, 'campus', k.campus, 'scopes', k.scopes, 'expires_at', k.expires_at
  ), CASE WHEN own.parent IS NOT NULL THEN ARRAY(
    WITH RECURSIVE below (id) AS (
      VALUES (k.campus) UNION SELECT c.id FROM campus AS c JOIN below ON c.parent = below.id
    ) SELECT below.id FROM below
  ) END INTO caller, campuses
  FROM api_key AS k JOIN campus AS own ON own.id = k.campus WHERE k.secret_hash = secret AND k.revoked_at IS NULL;
  PERFORM set_config('qianda.scope', CASE
    WHEN caller IS NULL THEN '' WHEN campuses IS NULL THEN '*' ELSE ',' || array_to_string(campuses, ',') || ','
  END, true);
  RETURN caller || jsonb_build_object('campuses', campuses);
END
$$
"""


def upgrade() -> None:
    op.execute(_ENTER_BY_KEY)
