"""Texts that a signer can send and no database, page or message should have: in every field of the signing protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lifecycle.signer import person
from tests.poster_visits import Family
from tests.web.signer.test_foreign_sessions import ROUTES, Story, make_case, story

__all__ = ["story"]
pytestmark = pytest.mark.asyncio(loop_scope="module")
# As they stand in JSON: NUL, half a character, marks that turn the direction of a text, line ends, digits of others.
TEXTS = (
    r"a\u0000b",
    r"\ud800",
    r"\u202eabc\u2066",
    r"a\r\nSubject: x",
    "\uff11\uff12\uff13",
    "\u0661\u0662",
    "=1+1",
    "",
)
FURTHER = {"question": {"kind": "question"}, "code": {"channel": "voice"}, "key": {"device": "x"}}


def variants(body: Any) -> Iterator[str]:
    """Yield the body as JSON, with each of TEXTS in place of each text in it."""
    whole = json.dumps(body)
    for leaf in {leaf for leaf in leaves(body) if len(leaf) > 1}:
        for odd in TEXTS:
            yield whole.replace(json.dumps(leaf), f'"{odd}"')


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)


async def test_no_text_is_answered_as_our_fault(story: Story) -> None:
    running, ours = story.running, []
    case = await make_case(running, Family(), "hefei")
    early = await person(running, case.contract)
    await early.land()
    for method, path in ROUTES:
        if method != "POST":
            continue
        name = path.removeprefix("/sign/v1/")
        for secret in (case.page.secret, early.secret, story.foreign["of a guest"]):
            for body in variants(case.body(path) | FURTHER.get(name, {})):
                headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
                url = f"{running.origin}{path}?id={case.contract.id}"
                async with running.http.post(url, data=body.encode(), headers=headers) as answer:
                    if answer.status >= 500:
                        ours.append((path, body, answer.status))
    assert ours == []
