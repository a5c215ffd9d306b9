"""whoever enrolled by a poster is a person of their own

As `Cipher.declared` says it: a hash of what stood for the document, and of the phone. Who is on file with the same
document and phone without a poster stays that person. A hub of the schema before takes what it finds.
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""

SIGNERS = """
UPDATE signer SET person = 'declared:' || encode(sha256(convert_to(person, 'UTF8') || phone_hash), 'hex')
WHERE role <> 'representative' AND person NOT LIKE 'declared:%'
AND contract IN (SELECT contract FROM poster_scan WHERE step = 'enrolled')
AND NOT EXISTS (
  SELECT FROM signer AS known WHERE known.person = signer.person AND known.phone_hash = signer.phone_hash
  AND known.contract NOT IN (SELECT contract FROM poster_scan WHERE step = 'enrolled' AND contract IS NOT NULL)
)
"""
DEVICES = """
UPDATE app_key SET person = signer.person FROM signer
WHERE app_key.signer = signer.id AND signer.person LIKE 'declared:%'
"""
PHONE_CHANGES = """
UPDATE phone_change SET person = signer.person FROM signer
WHERE phone_change.signer = signer.id AND phone_change.state = 'OPEN' AND signer.person LIKE 'declared:%'
"""
ALL = (SIGNERS, DEVICES, PHONE_CHANGES)



def upgrade() -> None:
    for statement in ALL:
        op.execute(statement)


def downgrade() -> None:
    """Nothing: who somebody is cannot be told from the hash, and whatever reads it takes it as it is."""
