"""Functions that lock a contract and read its case: one statement in place of two."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
expands_only = True

# Each statement of a function sees what was committed before it, so the case is read as it is under the lock.
_LOCK_CASE = """
CREATE FUNCTION lock_case(wanted uuid, with_record boolean)
RETURNS TABLE (
  its_contract contract, its_signer signer, its_task signing_task, record_entries integer, record_digest bytea
)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM FROM contract AS c WHERE c.id = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF with_record THEN
    SELECT head.entries, head.digest INTO record_entries, record_digest FROM lock_records(ARRAY[wanted]) AS head;
  END IF;
  RETURN QUERY SELECT c, s, t, record_entries, record_digest
  FROM contract AS c LEFT JOIN (signer AS s JOIN signing_task AS t ON t.signer = s.id) ON s.contract = c.id
  WHERE c.id = wanted ORDER BY s."order", s.field;
END
$$
"""
# The contract is that of the request `asked`, or `wanted`, or that of the session's link. If it is not one of the
# session, nothing is locked.
_LOCK_VISIT = """
CREATE FUNCTION lock_visit(secret bytea, wanted uuid, asked uuid)
RETURNS TABLE (its_session signing_session, its_contract contract, its_signer signer, its_task signing_task)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  locked uuid;
BEGIN
  SELECT c.id INTO locked FROM signing_session AS own JOIN contract AS c ON c.id = ANY (own.contracts) AND c.id =
    CASE WHEN asked IS NULL THEN coalesce(wanted, own.contract)
    ELSE (SELECT one.contract FROM signature_request AS one WHERE one.id = asked AND one.session = own.id) END
  WHERE own.secret_hash = secret FOR NO KEY UPDATE OF c;
  RETURN QUERY SELECT own, c, s, t
  FROM signing_session AS own LEFT JOIN contract AS c ON c.id = locked AND c.id = ANY (own.contracts)
  LEFT JOIN (signer AS s JOIN signing_task AS t ON t.signer = s.id) ON s.contract = c.id
  WHERE own.secret_hash = secret ORDER BY s."order", s.field;
END
$$
"""


def upgrade() -> None:
    op.execute(_LOCK_CASE)
    op.execute(_LOCK_VISIT)
