"""What may stand in an entry of the record as it is, since the record stands for ever.

Ids, hashes, times, counts, words of ours and names from the configuration may. Everything else is what somebody said,
and a number or a name may be in it: it goes to the side table, where it can be erased, and the entry holds a
commitment. A kind of entry or a fact that nobody thought of here is treated like that, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# `{"committed": "<hex>"}` stands in an entry where somebody's words were.
COMMITTED = "committed"

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Nothing, an id, a SHA-256 or a commitment, a moment.
_ANYWHERE = re.compile(rf"|{_UUID}|[0-9a-f]{{64}}|\d{{4}}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_WORD = r"[a-z][a-z-]{0,60}"
# No number of a person's is among them.
_NAME = r"(?!.*\d{5})[A-Za-z][A-Za-z0-9_.:-]{0,80}"
_ACTOR = rf"hub|test|somebody|command-line|old-phone|(staff|signer|api):({_UUID}|[a-z0-9]{{1,20}})"
_CUSTODY = "usb-token|app-keystore|browser|software|remote|token"

FORMS: Mapping[str, str] = {
    # words of ours, each one of a few
    "role": "student|guardian|representative", "field": r"(student|guardian|representative)-\d{1,3}|seal",
    "language": "[a-z]{2}", "custody": _CUSTODY, "custody_claimed": _CUSTODY, "accepted": _CUSTODY,
    "kind": _WORD, "purpose": _WORD, "door": _WORD, "result": _WORD, "method": "[A-Za-z][A-Za-z ,-]{0,120}",
    "state": "[A-Za-z_]{1,30}",
    "attestation": _WORD, "level": _NAME, "platform": _NAME, "reasons": r"[a-z][a-z0-9-]{0,80}", "reported_by": "page",
    "keys": r"[a-z_]+(, [a-z_]+)*",
    # who did it
    "asked_by": _ACTOR, "approved_by": _ACTOR, "approval": _ACTOR,
    # names from the configuration, the roster's courses and the templates, and of the software that we run
    "channel": _NAME, "provider": _NAME, "template": _NAME, "template_version": r"[\w.-]{1,40}",
    "consent_version": r"[\w.-]{1,40}", "course": r"[\w.-]{1,80}", "app": r"[\w.-]{1,200}",
    "rp_id": r"[a-z0-9.-]{1,253}",
    "authority": ".{1,400}", "passed_over": rf"{_NAME}( {_NAME})*", "key": ".{1,100}", "organisation": ".{1,200}",
    # numbers of ours, of authorities and of identity providers
    "number": r"QD-\d{4}-\d{6,}", "serial": r"\d{1,60}", "request_id": r"[\w.:-]{1,100}",
}  # fmt: skip
# What the hub itself gives as a reason, by the kind of the entry. What a person gives is none of these.
REASONS: Mapping[str, str] = {
    "voided": "reissued",
    "expired": "deadline",
    "stuck": _WORD,
    "key-refused": _WORD,
    "certificate-refused": _WORD,
    "certificate-revoked": r"[A-Za-z_-]{1,60}",
    "app-key-revoked": _WORD,
    "agent-refused": "claimed before",
    "phone-change-asked": "asked by the signer",
    "confirmation-refused": r"[a-z][a-z ,:'.-]{0,150}",
}


class Words(str):
    """Somebody's words in facts, until a commitment stands in their place."""

    __slots__ = ()


def marked(kind: str, facts: Any, name: str = "") -> Any:
    """The facts, with `Words` wherever a value must not stand as it is."""
    if isinstance(facts, Mapping):
        return {key: marked(kind, each, key) for key, each in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [marked(kind, each, name) for each in facts]
    if facts is None or isinstance(facts, (bool, int)) or may_stand(kind, name, str(facts)):
        return facts
    return Words(facts)


def words_in(facts: Any, name: str = "") -> Iterator[tuple[str, Words]]:
    """Each with the name of its fact."""
    if isinstance(facts, Words):
        yield name, facts
    elif isinstance(facts, Mapping):
        for key, each in facts.items():
            yield from words_in(each, key)
    elif isinstance(facts, list):
        for each in facts:
            yield from words_in(each, name)


def may_stand(kind: str, name: str, value: str) -> bool:
    """Whether this fact of such an entry may hold this very value in clear."""
    form = REASONS.get(kind) if name == "reason" else FORMS.get(name)
    return _ANYWHERE.fullmatch(value) is not None or (form is not None and re.fullmatch(form, value) is not None)


def with_commitments(facts: Any, commitments: Mapping[str, str]) -> Any:
    """The facts as they stand in the entry."""
    if isinstance(facts, Words):
        return {COMMITTED: commitments[facts]}
    if isinstance(facts, Mapping):
        return {name: with_commitments(each, commitments) for name, each in facts.items()}
    return [with_commitments(each, commitments) for each in facts] if isinstance(facts, list) else facts


def committed_in(facts: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Name and commitment of everything that stands there in place of somebody's words."""
    if isinstance(facts, Mapping) and set(facts) == {COMMITTED}:
        yield name, str(facts[COMMITTED])
    elif isinstance(facts, Mapping):
        for key, each in facts.items():
            yield from committed_in(each, key)
    elif isinstance(facts, list):
        for each in facts:
            yield from committed_in(each, name)
