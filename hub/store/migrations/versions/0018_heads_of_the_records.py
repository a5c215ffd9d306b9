"""the head of each record: how many entries it has, and the digest of the last

Whoever deletes the last entries of a record leaves a chain that is whole, and a head that says that it was longer. The
database itself keeps it, with every entry and in its transaction, and refuses an entry that does not follow: the role
`app` may only read it. For records that are there already it begins with what stands in them now.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
expands_only = True
"""A hub of the schema before runs on this one."""

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
BEGIN = """
INSERT INTO record_head (contract, campus, entries, digest)
SELECT DISTINCT ON (contract) contract, campus, sequence, digest FROM record_entry ORDER BY contract, sequence DESC
"""
FOLLOW = """
CREATE FUNCTION follow_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  IF NEW.sequence = 1 AND NEW.previous = decode(repeat('00', 32), 'hex') THEN
    INSERT INTO record_head (contract, campus, entries, digest)
    VALUES (NEW.contract, NEW.campus, 1, NEW.digest) ON CONFLICT DO NOTHING;
  ELSE
    UPDATE record_head SET entries = NEW.sequence, digest = NEW.digest
    WHERE contract = NEW.contract AND entries = NEW.sequence - 1 AND digest = NEW.previous;
  END IF;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'entry % does not follow the last one in the record of contract %', NEW.sequence, NEW.contract
    USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE TRIGGER follow_record AFTER INSERT ON record_entry FOR EACH ROW EXECUTE FUNCTION follow_record()
"""


def upgrade() -> None:
    op.create_table(
        "record_head",
        sa.Column("contract", sa.Uuid(), nullable=False),
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("contract", name=op.f("pk_record_head")),
    )
    op.execute("ALTER TABLE record_head ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON record_head USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})")
    op.execute("LOCK TABLE record_entry IN SHARE ROW EXCLUSIVE MODE")
    op.execute(BEGIN)
    op.execute(FOLLOW)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER follow_record ON record_entry")
    op.execute("DROP FUNCTION follow_record()")
    op.drop_table("record_head")
