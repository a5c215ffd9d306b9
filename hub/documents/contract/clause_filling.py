"""The child's part of `hub.documents.contract.clauses`: fill in a template in Jinja2's sandbox."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hub.documents.child import serve
from hub.documents.contract import wording
from hub.documents.contract.clauses import BAR, VALUE

MAX_TEXT = 40_000  # characters of a filled-in contract; a long one has 12,000


def _guarded(value: Any) -> Any:
    """Mark the text of a value, so that it can neither start a block nor split a table cell."""
    return value if isinstance(value, StrictUndefined) else VALUE + str(value).replace("|", BAR)


def _compiler(language: str) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,  # plain text; Typst and the HTML page each escape it in their own way
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_guarded,
    )
    environment.filters["money"] = lambda amount: wording.money(Decimal(amount))
    environment.filters["capital"] = lambda amount: wording.capital_amount(Decimal(amount))
    environment.filters["day"] = lambda value: wording.day(date.fromisoformat(value), language)
    return environment


@lru_cache(maxsize=32)
def _compiled(template: str, language: str) -> Template:
    return _compiler(language).from_string(template)


def _answer(question: bytes) -> bytes:
    asked = json.loads(question)
    pieces: list[str] = []
    length = 0
    for piece in _compiled(asked["template"], asked["language"]).generate(asked["values"]):
        length += len(piece)
        if length > MAX_TEXT:
            raise ValueError(f"the text is longer than {MAX_TEXT:,} characters")
        pieces.append(piece)
    return "".join(pieces).encode()


if __name__ == "__main__":
    serve(_answer, (TemplateError, ValueError, TypeError, ArithmeticError))
