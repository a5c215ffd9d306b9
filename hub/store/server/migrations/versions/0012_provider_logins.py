"""Accounts of staff that are linked to the school's own login service, and sessions that began there."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
expands_only = True

STATEMENTS = """
ALTER TABLE staff ADD COLUMN login_issuer text, ADD COLUMN login_subject text;
CREATE UNIQUE INDEX uq_staff_login_subject ON staff (login_issuer, login_subject);
ALTER TABLE staff_session ADD COLUMN by_provider boolean NOT NULL DEFAULT false;
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
