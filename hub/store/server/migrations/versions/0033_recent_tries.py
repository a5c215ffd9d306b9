"""What limits codes and answers is read in the statement that locks."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0031"
branch_labels = None
depends_on = None
expands_only = True

# Called with what a function has locked, it sees what was committed while that function waited. The newest 50 are more
# than any limit counts.
_RECENT_TRIES = """
CREATE FUNCTION recent_tries(persons text[], visit uuid)
RETURNS TABLE (wrong_answers timestamptz[], codes_issued timestamptz[], newest_code uuid, code_ends_at timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  SELECT code.id, code.expires_at INTO newest_code, code_ends_at FROM one_time_code AS code
  WHERE code.person = ANY (persons) AND code.session = visit AND code.used_at IS NULL
  ORDER BY code.created_at DESC LIMIT 1;
  RETURN QUERY SELECT
    ARRAY(SELECT one.at FROM wrong_answer AS one WHERE one.person = ANY (persons) ORDER BY one.at DESC LIMIT 50),
    ARRAY(SELECT code.created_at FROM one_time_code AS code WHERE code.person = ANY (persons)
          ORDER BY code.created_at DESC LIMIT 50),
    newest_code, code_ends_at;
END
$$
"""


def upgrade() -> None:
    op.execute(_RECENT_TRIES)
