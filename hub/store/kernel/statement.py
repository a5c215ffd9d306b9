"""Statements that are compiled to text once.

SQLAlchemy Core only writes the text, and asyncpg runs it: SQLAlchemy's own execution of a small SELECT costs five times
as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import BindParameter, ColumnDefault, Executable, SelectBase, TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import ExpandedState, SQLCompiler

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]
# Text of ours that gives rows.
_GIVES_ROWS = re.compile(r"\s*(SELECT|WITH|SHOW|VALUES)\b|.*\bRETURNING\b", re.IGNORECASE | re.DOTALL)
_MISSING = object()


class SqlStatement:
    """A statement as text for asyncpg, and how its values become the arguments.

    `of` is a statement of SQLAlchemy Core, or text with `:name` for each value. `keys`: the columns that an INSERT
    writes, where they are not all. `takes_arrays`: it inserts any number of rows, and each value is a column of them.
    `is_once`: it is run once, and its own values are somebody's, so they are arguments. Else they are constants of ours
    and stand in the text: only so a plan for all arguments can use an index of a part of a table (`state = 'OPEN'`),
    and the server need not plan anew each time.
    """

    def __init__(
        self,
        of: Executable | str,
        keys: Iterable[str] | None = None,
        *,
        takes_arrays: bool = False,
        is_once: bool = False,
    ) -> None:
        self._of = text(of) if isinstance(of, str) else of
        self.takes_arrays = takes_arrays
        self._is_once = is_once
        self._keys = None if keys is None else list(keys)

    @cached_property
    def _compiled(self) -> SQLCompiler:
        of: Any = self._of if self._is_once else _with_constants(self._of)
        compiled = of.compile(dialect=_DIALECT, column_keys=self._keys)
        assert isinstance(compiled, SQLCompiler)
        return compiled

    @cached_property
    def _expanded(self) -> ExpandedState:
        """The text with as many places as a list of values has, which stands in the statement itself."""
        unknown = {name: None for name, bind in self._compiled.binds.items() if bind.required}
        return self._compiled.construct_expanded_state(unknown, escape_names=False)

    @cached_property
    def sql(self) -> str:
        return self._expanded.statement

    @cached_property
    def gives_rows(self) -> bool:
        """Whether it has rows; of one that has none the server says how many rows it touched."""
        if self._compiled.effective_returning or isinstance(self._of, SelectBase):
            return True
        return bool(isinstance(self._of, TextClause) and _GIVES_ROWS.match(self.sql))

    @cached_property
    def _places(self) -> list[tuple[str, Any, Any]]:
        """For each place of the text the name of its value, the value that the statement itself has, and how it is
        converted."""
        found, own = [], dict(self._expanded.parameters)
        for column in self._compiled.insert_prefetch:
            assert isinstance(column.default, ColumnDefault) and column.default.is_scalar, column
            own[column.key] = column.default.arg
        for name in self._expanded.positiontup or ():
            bind = self._compiled.binds.get(name)
            value = _MISSING if bind is not None and bind.required else own[name]
            convert = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT) if bind is not None else None
            found.append((name, value, convert))
        return found

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values by place. Raises KeyError where one is missing."""
        found = []
        for name, default, convert in self._places:
            value = values.get(name, default)
            if value is _MISSING:
                raise KeyError(name)
            found.append(convert(value) if convert else value)
        return found


def _with_constants(of: Any) -> Any:
    """Return this statement with its own values as text, and places only for those that it is run with."""

    def write_out(bind: BindParameter[Any]) -> None:
        bind.literal_execute = not bind.required

    return visitors.cloned_traverse(of, {}, {"bindparam": write_out})
