"""Decide which facts an entry of a record may contain in clear.

Entries are kept forever. In clear, they may contain ids, hashes, times, counts, fixed words of the hub, and names from
the configuration. Everything else may be personal data, including each fact and kind of entry that is not listed here:
such a value goes to a side table, where it can be erased, and the entry contains a commitment to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hub.model.staff.roles import StaffRole

# The key in `{"committed": "<hex>"}`, which replaces a personal value in an entry.
COMMITTED = "committed"

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Allowed for every fact: an empty value, an id, a SHA-256 or commitment, or a time.
_ANYWHERE = re.compile(rf"|{_UUID}|[0-9a-f]{{64}}|\d{{4}}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_WORD = r"[a-z][a-z-]{0,60}"
# A name has no five digits in a row, so that it cannot be a phone or document number.
_NAME = r"(?!.*\d{5})[A-Za-z][A-Za-z0-9_.:-]{0,80}"
_ACTOR = rf"hub|test|somebody|command-line|old-phone|(staff|signer|api):({_UUID}|[a-z0-9]{{1,20}})"
# Entries from version 0.1 contain `manager`.
_STAFF_ROLE = "|".join([*StaffRole, "manager"])
_COPY = "student|guardian|office|address"
_CUSTODY = "usb-token|app-keystore|browser|software|remote|token|school-software"

FORMS: Mapping[str, str] = {
    # words from fixed lists of the hub
    "role": "student|guardian|representative", "field": r"(student|guardian|representative)-\d{1,3}|seal",
    "copy_role": _COPY, "copies": _COPY,
    "language": "[a-z]{2}", "custody": _CUSTODY, "custody_claimed": _CUSTODY, "accepted": _CUSTODY,
    "kind": _WORD, "purpose": _WORD, "door": _WORD, "result": _WORD, "method": "[A-Za-z][A-Za-z ,-]{0,120}",
    "state": "[A-Za-z_]{1,30}", "outcome": _WORD, "view": _WORD, "receipt": _WORD, "form": "csv|xlsx", "search": "yes",
    "day": r"\d{4}-\d\d-\d\d",
    "attestation": _WORD, "level": _NAME, "platform": _NAME, "reasons": r"[a-z][a-z0-9-]{0,80}", "reported_by": "page",
    "keys": r"[a-z_]+(, [a-z_]+)*", "change": "added|changed", "staff_role": _STAFF_ROLE,
    "fields": r"((student|signers\[\d\])\.)?[a-z_]{1,30}",
    # actors
    "asked_by": _ACTOR, "approved_by": _ACTOR, "approval": _ACTOR,
    # names from the configuration, the roster's courses and the templates, and of the software that we run
    "channel": _NAME, "provider": _NAME, "template": _NAME, "template_version": r"[\w.-]{1,40}",
    "consent_version": r"[\w.-]{1,40}", "course": r"[\w.-]{1,80}", "campus": r"[\w.-]{1,80}", "app": r"[\w.-]{1,200}",
    # The statement that a signer signed to get a certificate, and that signature, both in hex.
    "key_statement": "[0-9a-f]{100,4000}", "key_proof": "[0-9a-f]{100,4000}",
    "rp_id": r"[a-z0-9.-]{1,253}",
    "authority": ".{1,400}", "passed_over": rf"{_NAME}( {_NAME})*", "key": ".{1,100}", "organisation": ".{1,200}",
    # numbers of the hub, of authorities and of identity providers
    "number": r"QD-\d{4}-\d{6,}", "serial": r"\d{1,60}", "request_id": r"[\w.:-]{1,100}",
}  # fmt: skip
# Reasons given by the hub itself, by kind of entry. Reasons written by people do not match these.
REASONS: Mapping[str, str] = {
    "voided": "reissued",
    "expired": "deadline",
    "copy-not-sent": _WORD,
    "stuck": _WORD,
    "key-refused": _WORD,
    "certificate-refused": _WORD,
    "certificate-revoked": r"[A-Za-z_-]{1,60}",
    "app-key-revoked": _WORD,
    "agent-refused": "claimed before",
    "phone-change-asked": "asked by the signer",
    "confirmation-refused": r"[a-z][a-z ,:'.-]{0,150}",
}


class PersonalText(str):
    """A personal value in facts, to be replaced by a commitment."""

    __slots__ = ()


def mark_personal_values(kind: str, facts: Any, name: str = "") -> Any:
    """Return the facts with each value that must not appear in clear wrapped in `PersonalText`."""
    if isinstance(facts, Mapping):
        return {key: mark_personal_values(kind, each, key) for key, each in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [mark_personal_values(kind, each, name) for each in facts]
    if facts is None or isinstance(facts, (bool, int)) or is_allowed_in_clear(kind, name, str(facts)):
        return facts
    return PersonalText(facts)


def list_personal_values(facts: Any, name: str = "") -> Iterator[tuple[str, PersonalText]]:
    """Yield each `PersonalText` in the facts with the name of its fact."""
    if isinstance(facts, PersonalText):
        yield name, facts
    elif isinstance(facts, Mapping):
        for key, each in facts.items():
            yield from list_personal_values(each, key)
    elif isinstance(facts, list):
        for each in facts:
            yield from list_personal_values(each, name)


def is_allowed_in_clear(kind: str, name: str, value: str) -> bool:
    """Return whether the fact `name` of an entry of this kind may hold `value` in clear."""
    form = REASONS.get(kind) if name == "reason" else FORMS.get(name)
    return _ANYWHERE.fullmatch(value) is not None or (form is not None and re.fullmatch(form, value) is not None)


def insert_commitments(facts: Any, commitments: Mapping[str, str]) -> Any:
    """Return the facts with each `PersonalText` replaced by its commitment, as stored in the entry."""
    if isinstance(facts, PersonalText):
        return {COMMITTED: commitments[facts]}
    if isinstance(facts, Mapping):
        return {name: insert_commitments(each, commitments) for name, each in facts.items()}
    return [insert_commitments(each, commitments) for each in facts] if isinstance(facts, list) else facts


def list_commitments(facts: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and commitment of each fact that holds a commitment in place of a value."""
    if isinstance(facts, Mapping) and set(facts) == {COMMITTED}:
        yield name, str(facts[COMMITTED])
    elif isinstance(facts, Mapping):
        for key, each in facts.items():
            yield from list_commitments(each, key)
    elif isinstance(facts, list):
        for each in facts:
            yield from list_commitments(each, name)
