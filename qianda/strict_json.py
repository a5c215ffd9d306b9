"""Read JSON that every program reads alike: UTF-8, no name twice in an object, and only numbers that JSON has.

If a name occurs twice, some programs take the first value, others the last (RFC 8259, 4).
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_json(text: bytes | str) -> Any:
    """Return the value. Raises ValueError."""
    decoded = text if isinstance(text, str) else text.decode("utf-8")
    try:
        return json.loads(decoded, object_pairs_hook=_each_once, parse_constant=_refuse_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name that occurs twice")
    return dict(pairs)


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
