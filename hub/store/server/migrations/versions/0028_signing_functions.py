"""Functions of the signing way: each does in one statement what took several."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
expands_only = True

# Contract, person, record: the order in which everybody locks. What is returned is read again under the locks, because
# a phone change at this moment ends the session.
_LOCK_FOR_CODE = """
CREATE FUNCTION lock_for_code(secret bytea)
RETURNS TABLE (
  its_session signing_session, its_contract contract, its_signer signer, record_entries integer, record_digest bytea
)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  locked uuid;
  somebody text;
BEGIN
  SELECT c.id, s.person INTO locked, somebody
  FROM signing_session AS own JOIN signer AS s ON s.id = own.signer JOIN contract AS c ON c.id = own.contract
  WHERE own.secret_hash = secret FOR NO KEY UPDATE OF c;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext(somebody));
  SELECT head.entries, head.digest INTO record_entries, record_digest FROM lock_records(ARRAY[locked]) AS head;
  RETURN QUERY SELECT own, c, s, record_entries, record_digest
  FROM signing_session AS own JOIN signer AS s ON s.id = own.signer JOIN contract AS c ON c.id = own.contract
  WHERE own.secret_hash = secret;
END
$$
"""
# Contracts, session, person. The contracts: the session's own, whatever its state, and at most 50 others of the person
# that wait for a signature. The person is the same if document and phone are.
_LOCK_FOR_ANSWER = """
CREATE FUNCTION lock_for_answer(secret bytea)
RETURNS TABLE (its_session signing_session, its_signer signer, its_door text, locked_contracts uuid[])
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  mine uuid;
  somebody text;
  phone bytea;
BEGIN
  SELECT own.contract, s.person, s.phone_hash INTO mine, somebody, phone
  FROM signing_session AS own JOIN signer AS s ON s.id = own.signer WHERE own.secret_hash = secret;
  SELECT array_agg(locked.id ORDER BY locked.created_at DESC, locked.number DESC) INTO locked_contracts FROM (
    SELECT c.id, c.created_at, c.number FROM contract AS c WHERE c.id = ANY (mine || ARRAY(
      SELECT newest.id FROM contract AS newest JOIN signer AS same ON same.contract = newest.id
      WHERE same.person = somebody AND same.phone_hash = phone AND newest.state IN ('ISSUED', 'SIGNED')
      ORDER BY newest.created_at DESC LIMIT 50
    )) AND (c.id = mine OR c.state IN ('ISSUED', 'SIGNED'))
    ORDER BY c.id FOR NO KEY UPDATE
  ) AS locked;
  PERFORM FROM signing_session AS own WHERE own.secret_hash = secret FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext(somebody));
  RETURN QUERY SELECT own, s, link.door, locked_contracts
  FROM signing_session AS own JOIN signer AS s ON s.id = own.signer LEFT JOIN sign_link AS link ON link.id = own.link
  WHERE own.secret_hash = secret;
END
$$
"""
# Nothing is noted for whoever may not see the page: the conditions are those of `see_page` in `open_link.py`. It is one
# statement, because a second one would see what was committed in between: another document than the one noted.
_SEE_PAGE = """
CREATE FUNCTION see_page(secret bytea, wanted uuid, page_number integer, moment timestamptz)
RETURNS TABLE (
  its_session signing_session, its_contract contract, its_signer signer, its_task signing_task, noted_for uuid
)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  RETURN QUERY WITH visit AS (
    SELECT t.id AS task, c.document AS seen
    FROM signing_session AS own JOIN signer AS me ON me.id = own.signer
    JOIN contract AS c ON c.id = coalesce(wanted, own.contract) AND c.id = ANY (own.contracts)
    JOIN signer AS s ON s.contract = c.id AND (s.id = me.id OR me.contract <> c.id AND s.person = me.person)
    JOIN signing_task AS t ON t.signer = s.id
    WHERE own.secret_hash = secret AND own.verified_at IS NOT NULL AND own.pairing IS NULL AND own.expires_at > moment
      AND t.state IN ('WAITING', 'OPEN') AND page_number BETWEEN 1 AND c.pages AND c.document IS NOT NULL
    ORDER BY s."order", s.field LIMIT 1
  ), noted AS (
    INSERT INTO page_seen (task, document, page, at) SELECT visit.task, visit.seen, page_number, moment FROM visit
    ON CONFLICT DO NOTHING
  )
  SELECT own, c, s, t, (SELECT visit.task FROM visit)
  FROM signing_session AS own LEFT JOIN contract AS c
    ON c.id = coalesce(wanted, own.contract) AND c.id = ANY (own.contracts)
  LEFT JOIN (signer AS s JOIN signing_task AS t ON t.signer = s.id) ON s.contract = c.id
  WHERE own.secret_hash = secret ORDER BY s."order", s.field;
END
$$
"""


def upgrade() -> None:
    op.execute(_LOCK_FOR_CODE)
    op.execute(_LOCK_FOR_ANSWER)
    op.execute(_SEE_PAGE)
