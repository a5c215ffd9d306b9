"""Contracts that are issued as OFD as well, and the SM2 sides of seals."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
expands_only = True

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
STATEMENTS = """
ALTER TABLE contract ADD COLUMN issued_ofd_sha256 text, ADD COLUMN final_ofd_sha256 text;
CREATE TABLE seal_sm2 (
  seal uuid CONSTRAINT pk_seal_sm2 PRIMARY KEY CONSTRAINT fk_seal_sm2_seal REFERENCES seal (id),
  campus text NOT NULL,
  encoded bytea NOT NULL,
  chain bytea[] NOT NULL,
  width double precision NOT NULL,
  height double precision NOT NULL,
  key_place text NOT NULL,
  key_label text NOT NULL,
  key_sealed bytea,
  begins_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  made_at timestamptz NOT NULL
);
ALTER TABLE seal_sm2 ENABLE ROW LEVEL SECURITY;
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(f"CREATE POLICY campus_scope ON seal_sm2 USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
