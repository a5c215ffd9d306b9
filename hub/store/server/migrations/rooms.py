"""Run the SQL files of a migration, room by room, and say which rows each scope may access."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from alembic import op

ROOMS = (
    "school",
    "contract",
    "signing",
    "sealing",
    "messaging",
    "reminders",
    "inbound",
    "staff",
    "board",
    "reports",
    "evidence",
    "server",
)
# Up to a semicolon that stands neither in a comment nor in the body of a function, which is between $$ and $$.
_STATEMENT = re.compile(r"(?:--[^\n]*|\$\$.*?\$\$|[^;])+;", re.DOTALL)

# Row-level security. Without a scope the role `app` sees nothing; the owner, who only migrates, is not bound by it.
ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"


def run_files(folder: Path) -> None:
    """Execute the statements of this folder's files, in the order of ROOMS."""
    connection = op.get_bind()
    for file in (folder / f"{room}.sql" for room in ROOMS):
        for statement in _STATEMENT.findall(file.read_text("utf-8")) if file.exists() else ():
            connection.exec_driver_sql(statement)


def allow_rows(tables: Iterable[str], allowed: str) -> None:
    """Secure these tables: the role `app` may access the rows that meet this condition."""
    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY campus_scope ON {table} USING ({allowed}) WITH CHECK ({allowed})")


def read_by_all(tables: Iterable[str]) -> None:
    for table in tables:
        op.execute(f"CREATE POLICY read_by_all ON {table} FOR SELECT USING (true)")


def keep_evidence(tables: Iterable[str]) -> None:
    """Let no row of these tables be changed or deleted."""
    for table in tables:
        when = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        op.execute(f"CREATE TRIGGER keep_evidence {when} FOR EACH STATEMENT EXECUTE FUNCTION keep_evidence()")


def through(table: str, condition: str) -> str:
    """Return the condition that such a row may be seen: the policy of `table` applies inside."""
    return f"{ALL} OR EXISTS (SELECT 1 FROM {table} WHERE {condition})"  # noqa: S608 - names of ours
