"""Versions of a document that are the beginning of a later file, an index for the files that nobody needs, and
certificates that many requests share. These are no secret and belong to no campus: the table has no row security.

It does not only expand: a hub of the schema before looks for a file of its own for each version, and cannot open the
packed data of contracts that are issued from now on.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE document_version ADD COLUMN file text;
UPDATE document_version SET file = sha256 WHERE kind <> 'draft';
CREATE INDEX ix_document_version_sha256 ON document_version USING hash (sha256);
DROP INDEX ix_signature_request_left_behind;
CREATE INDEX ix_signature_request_left_behind ON signature_request (id)
  WHERE state IN ('LAPSED', 'EMBEDDED') AND prepared_deleted_at IS NULL;
CREATE INDEX ix_signature_request_prepared ON signature_request USING hash (prepared)
  WHERE prepared_deleted_at IS NULL;
CREATE TABLE shared_certificate (
  sha256 bytea CONSTRAINT pk_shared_certificate PRIMARY KEY,
  certificate bytea NOT NULL,
  CONSTRAINT ck_shared_certificate_hash CHECK (sha256 = sha256(certificate))
);
CREATE INDEX ix_signing_session_chain ON signing_session (expires_at) WHERE certificate_chain <> '{}';
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
