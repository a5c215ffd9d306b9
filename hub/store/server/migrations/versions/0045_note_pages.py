"""Several pages of a contract are noted as seen by one call."""

from __future__ import annotations

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None
expands_only = True

# Hubs of an earlier version call `note_page` (migration 0041), which notes one.
_NOTE_PAGES = """
CREATE FUNCTION note_pages(secret bytea, wanted uuid, page_numbers integer[], moment timestamptz)
RETURNS TABLE (
  its_session signing_session, its_contract uuid, its_document text, its_pages integer, its_task uuid, task_state text,
  is_noted boolean
)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  RETURN QUERY WITH visit AS (
    SELECT own, c.id AS contract, c.document, c.pages, t.id AS task, t.state, (
      own.verified_at IS NOT NULL AND own.pairing IS NULL AND own.expires_at > moment AND t.state IN ('WAITING', 'OPEN')
      AND c.document IS NOT NULL
    ) AS to_note
    FROM signing_session AS own
    LEFT JOIN contract AS c ON c.id = coalesce(wanted, own.contract) AND c.id = ANY (own.contracts)
    LEFT JOIN (signer AS s JOIN signing_task AS t ON t.signer = s.id) ON s.contract = c.id AND (
      s.id = own.signer
      OR own.contract <> c.id AND s.person = (SELECT me.person FROM signer AS me WHERE me.id = own.signer)
    )
    WHERE own.secret_hash = secret ORDER BY s."order", s.field LIMIT 1
  ), noted AS (
    INSERT INTO page_seen (task, document, page, at)
    SELECT visit.task, visit.document, number, moment FROM visit, unnest(page_numbers) AS number
    WHERE visit.to_note AND number BETWEEN 1 AND visit.pages ORDER BY number
    ON CONFLICT DO NOTHING
  )
  SELECT visit.own, visit.contract, visit.document::text, visit.pages, visit.task, visit.state::text,
    coalesce(visit.to_note, false)
  FROM visit;
END
$$
"""


def upgrade() -> None:
    op.execute(_NOTE_PAGES)
