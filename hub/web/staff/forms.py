"""Read what the forms of the console send."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from hub.errors import BadInput


def without_unprintable(text: str) -> str:
    """Return the text without characters that cannot be stored or shown."""
    # A form field may be two megabytes long, so avoid a Python loop over its characters.
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def printable(text: str) -> str:
    """Return a form value of one line without characters that cannot be stored or shown."""
    return without_unprintable(text).strip()[:200]


class Entered(dict[str, str]):
    """The values of a form or query. Missing values are empty."""

    def __missing__(self, name: str) -> str:
        return ""


def link_to(path: str, kept: Mapping[str, str], changes: Mapping[str, object]) -> str:
    """Return a path with the kept values as its query, some of them changed. Empty ones are left out."""
    values = {name: str(value) for name, value in {**kept, **changes}.items() if value}
    return path + (f"?{urlencode(values)}" if values else "")


def read_texts(sent: Mapping[str, object]) -> Entered:
    """Return the fields of a sent form that are texts, each of one line."""
    return Entered({name: printable(value) for name, value in sent.items() if isinstance(value, str)})


def read_number(text: str, digits: int) -> int | None:
    """Return a whole number of at most `digits` digits; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None


def read_limit(text: str, digits: int, field: str) -> int | None:
    """Return a limit that was typed, in digits of any width; None for no limit. Raises BadInput."""
    typed = text.strip()
    if typed and not (typed.isdecimal() and len(typed) <= digits):
        raise BadInput("a whole number", field=field)
    return int(typed) if typed else None
