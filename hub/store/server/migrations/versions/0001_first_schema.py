"""The first schema: the tables of each room, and the rows that each scope may access.

A migration never changes. Later changes of `hub/store/tables` come with migrations of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROOMS = (
    "school",
    "contract",
    "signing",
    "sealing",
    "messaging",
    "reminders",
    "inbound",
    "staff",
    "evidence",
    "server",
)
FOLDER = Path(__file__).with_name("first_schema")
# Up to a semicolon that stands neither in a comment nor in the body of a function, which is between $$ and $$.
STATEMENT = re.compile(r"(?:--[^\n]*|\$\$.*?\$\$|[^;])+;", re.DOTALL)

# Row-level security. Without a scope the role `app` sees nothing; the owner, who only migrates, is not bound by it.
ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
OF_A_CAMPUS = (
    "course",
    "enrolment",
    "roster_upload",
    "roster_titles",
    "school_day",
    "poster",
    "poster_scan",
    "contract",
    "signer",
    "signing_task",
    "sign_link",
    "delivery",
    "delivery_share",
    "reminder_policy",
    "reminder_entry",
    "many_reminded",
    "staff_task",
    "alert",
    "phone_change",
    "record_entry",
    "record_head",
    "personal_value",
)
# Rows that all campuses may read: each follows what headquarters decided, and they contain no names of people.
READ_BY_ALL = ("school_day", "reminder_policy")
OF_A_CONTRACT = (
    "document_version",
    "signing_session",
    "identity_check",
    "pairing",
    "issued_certificate",
    "signature_request",
    "attempt",
)
OF_THE_HUB = ("visitor", "one_time_code", "wrong_answer", "passkey", "callback", "inbound_message", "duty")


def upgrade() -> None:
    connection = op.get_bind()
    for room in ROOMS:
        for statement in STATEMENT.findall((FOLDER / f"{room}.sql").read_text("utf-8")):
            connection.exec_driver_sql(statement)
    for table, allowed in rows_allowed():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({allowed}) WITH CHECK ({allowed})")
    for table in READ_BY_ALL:
        op.execute(f"CREATE POLICY read_by_all ON {table} FOR SELECT USING (true)")


def rows_allowed() -> Iterator[tuple[str, str]]:
    """Yield each table with row-level security, and the condition on its rows.

    The policies of `contract`, `signing_task` and `signer` also apply inside the queries on these tables.
    """
    for table in OF_A_CAMPUS:
        yield table, IN_SCOPE
    for table in OF_A_CONTRACT:
        yield table, _through("contract", f"contract.id = {table}.contract")
    yield "page_seen", _through("signing_task", "signing_task.id = page_seen.task")
    # A key belongs to a person, at whichever campus it was bound: who may see the person may see the key.
    yield "app_key", _through("signer", "signer.person = app_key.person")
    for table in OF_THE_HUB:
        yield table, ALL


def _through(table: str, condition: str) -> str:
    return f"{ALL} OR EXISTS (SELECT 1 FROM {table} WHERE {condition})"  # noqa: S608 - names of ours
