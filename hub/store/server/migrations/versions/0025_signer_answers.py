"""What signers fill in before they sign, and attach."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
STATEMENTS = """
ALTER TABLE contract ADD COLUMN asks boolean NOT NULL DEFAULT false, ADD COLUMN answers_sealed bytea;
CREATE TABLE attachment (
  id uuid CONSTRAINT pk_attachment PRIMARY KEY,
  contract uuid NOT NULL CONSTRAINT fk_attachment_contract REFERENCES contract (id),
  signer uuid NOT NULL CONSTRAINT fk_attachment_signer REFERENCES signer (id),
  campus text NOT NULL,
  name text NOT NULL,
  media_type text NOT NULL,
  size integer NOT NULL,
  sha256 text NOT NULL,
  file text NOT NULL,
  key_sealed bytea NOT NULL,
  given_at timestamptz NOT NULL,
  superseded_at timestamptz
);
CREATE INDEX ix_attachment_contract ON attachment (contract);
CREATE INDEX ix_attachment_file ON attachment (file);
CREATE INDEX ix_attachment_superseded ON attachment (superseded_at) WHERE superseded_at IS NOT NULL;
ALTER TABLE attachment ENABLE ROW LEVEL SECURITY;
"""
# What the contract shows stays: the hub's own role deletes only what was replaced before anybody signed.
KEEPS_ATTACHMENTS = "AS RESTRICTIVE FOR DELETE TO app USING (superseded_at IS NOT NULL)"
# Nor can it change what was filled in, once a signature of it was accepted.
KEEPS_ANSWERS = """
CREATE FUNCTION keep_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF old.revision = 0 AND NOT EXISTS (
    SELECT FROM signature_request WHERE contract = old.id AND state IN ('ACCEPTED', 'EMBEDDED')
  ) THEN
    RETURN new;
  END IF;
  RAISE EXCEPTION 'the answers of a signed contract are fixed' USING ERRCODE = 'insufficient_privilege';
END $$
"""
KEEPS_ANSWERS_TRIGGER = """
CREATE TRIGGER keep_answers BEFORE UPDATE OF answers_sealed ON contract
FOR EACH ROW WHEN (current_user = 'app') EXECUTE FUNCTION keep_answers()
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(f"CREATE POLICY campus_scope ON attachment USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
    op.execute(f"CREATE POLICY keep_attachments ON attachment {KEEPS_ATTACHMENTS}")
    op.execute(KEEPS_ANSWERS)
    op.execute(KEEPS_ANSWERS_TRIGGER)
