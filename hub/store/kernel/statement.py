"""Statements that are compiled to text once.

SQLAlchemy Core only writes the text, and asyncpg runs it, because SQLAlchemy's own execution of a small SELECT costs
five times as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import BindParameter, ColumnDefault, Executable, SelectBase, TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql import visitors
from sqlalchemy.sql.cache_key import CacheKey
from sqlalchemy.sql.compiler import ExpandedState, SQLCompiler
from sqlalchemy.util import LRUCache

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]
# The beginning of a text statement that returns rows.
_GIVES_ROWS = re.compile(r"\s*(SELECT|WITH|SHOW|VALUES)\b|.*\bRETURNING\b", re.IGNORECASE | re.DOTALL)
# A statement that only reads begins like this, and neither locks, nor writes, nor calls a function that does.
_READS = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
_DOES_MORE = re.compile(r"\b(INSERT|UPDATE|DELETE|SHARE|\w*lock\w*\(|set_config|nextval|pg_notify)", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_PLACE = re.compile(r"\$(\d+)")
_MISSING = object()
# Compiled statements that were built for one run, by shape. The least recently used ones are dropped.
_SHAPES: LRUCache[Any, SQLCompiler] = LRUCache(capacity=500)


class SqlStatement:
    """A statement as text for asyncpg, and how its values become the arguments.

    `of` is a statement of SQLAlchemy Core, or text with `:name` for each value. `keys`: the columns that an INSERT
    writes, if not all of them. `takes_arrays`: the statement writes any number of rows, one array for each column.

    `is_once`: the statement is built for one run. Values inside it may come from users, so they are passed as
    arguments. Its text is kept for the next statement of the same shape. Without `is_once`, values inside it are
    constants of the program and are written into the text: PostgreSQL reuses one plan for all arguments, and that plan
    can use a partial index (`state = 'OPEN'`).

    `plans_for_values`: which plan is good depends on the values, as for a statement that is built for one run.
    PostgreSQL may make a new one at each run, and the first such statement of a transaction costs a round trip more.
    """

    def __init__(
        self,
        of: Executable | str,
        keys: Iterable[str] | None = None,
        *,
        takes_arrays: bool = False,
        is_once: bool = False,
        plans_for_values: bool = False,
    ) -> None:
        self._of = text(of) if isinstance(of, str) else of
        self.plans_for_values = plans_for_values or is_once
        self.takes_arrays = takes_arrays
        self._is_once = is_once
        self._keys = None if keys is None else list(keys)

    @cached_property
    def _made(self) -> tuple[SQLCompiler, Mapping[str, Any]]:
        """The compiled statement, and the values inside this statement by their names in the compiled one."""
        if self._is_once:
            return _compile_shape(self._of, self._keys)
        return _compile(_with_constants(self._of), self._keys), {}

    @property
    def _compiled(self) -> SQLCompiler:
        return self._made[0]

    @cached_property
    def _expanded(self) -> ExpandedState:
        """The text, with one placeholder for each value of a list inside the statement."""
        unknown = {name: None for name, bind in self._compiled.binds.items() if bind.required}
        return self._compiled.construct_expanded_state({**unknown, **self._made[1]}, escape_names=False)

    @cached_property
    def sql(self) -> str:
        return self._expanded.statement

    @cached_property
    def gives_rows(self) -> bool:
        """Whether the statement returns rows. For any other one the server reports how many rows it changed."""
        if self._compiled.effective_returning or isinstance(self._of, SelectBase):
            return True
        return bool(isinstance(self._of, TextClause) and _GIVES_ROWS.match(self.sql))

    @cached_property
    def only_reads(self) -> bool:
        """Whether the statement writes nothing, locks nothing and sets nothing."""
        return bool(_READS.match(self.sql)) and not _DOES_MORE.search(self.sql)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The names of the columns of a SELECT of SQLAlchemy Core."""
        return [column.keyname for column in self._compiled._result_columns]

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of the text, among them the names of all tables that it names."""
        return frozenset(_WORD.findall(self.sql))

    @cached_property
    def _places(self) -> list[tuple[str, Any, Any]]:
        """For each placeholder in the text: the name of its value, its default value, and the conversion to apply."""
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
        """Return the values in the order of their placeholders. Raises KeyError if one is missing."""
        found = []
        for name, default, convert in self._places:
            value = values.get(name, default)
            if value is _MISSING:
                raise KeyError(name)
            found.append(convert(value) if convert else value)
        return found


def move_places(sql: str, by: int) -> str:
    """Return this text with its placeholders renumbered, for `by` arguments that come before its own."""
    return _PLACE.sub(lambda found: f"${int(found[1]) + by}", sql) if by else sql


def _compile(of: Any, keys: list[str] | None, cache_key: CacheKey | None = None) -> SQLCompiler:
    compiled = of._compiler(_DIALECT, column_keys=keys, cache_key=cache_key)  # as the engine of SQLAlchemy calls it
    assert isinstance(compiled, SQLCompiler)
    return compiled


def _compile_shape(of: Any, keys: list[str] | None) -> tuple[SQLCompiler, Mapping[str, Any]]:
    """Return a compiled statement of the same shape as `of`, and the values of `of` by their names in it.

    Compiling takes three times as long as finding the shape. A statement without a shape is always compiled.
    """
    shape: CacheKey | None = of._generate_cache_key()
    if shape is None:
        return _compile(of, keys), {}
    place = (shape.key, tuple(bind.required for bind in shape.bindparams), keys and tuple(keys))
    compiled = _SHAPES.get(place)
    if compiled is None:
        empty = _without_values(of)
        compiled = _SHAPES[place] = _compile(empty, keys, empty._generate_cache_key())
    own = compiled.construct_params(extracted_parameters=shape.bindparams, escape_names=False, _check=False)
    return compiled, {name: value for name, value in own.items() if not compiled.binds[name].required}


def _without_values(of: Any) -> Any:
    """Return this statement without its values, which may be personal, and large."""

    def empty(bind: BindParameter[Any]) -> None:
        bind.value = None

    return visitors.cloned_traverse(of, {}, {"bindparam": empty})


def _with_constants(of: Any) -> Any:
    """Return this statement with its own values written into the text, and placeholders only for the arguments."""

    def write_out(bind: BindParameter[Any]) -> None:
        bind.literal_execute = not bind.required

    return visitors.cloned_traverse(of, {}, {"bindparam": write_out})
