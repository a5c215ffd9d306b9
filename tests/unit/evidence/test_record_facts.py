"""What an entry may contain in clear, and that nothing which a person wrote is among it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from uuid import uuid4

import pytest

from hub.model.evidence.record_facts import (
    COMMITTED,
    FORMS,
    REASONS,
    insert_commitments,
    is_allowed_in_clear,
    list_commitments,
    list_personal_values,
    mark_personal_values,
)
from hub.web.staff.record_labels import RECORDS
from tests.checkout import ROOT

WRITTEN = (
    "I am not 340104198501010019",
    "340104198501010019",
    "我不是陈建国，身份证340104198501010019",
    "+8613800138000",
    "13800138000",
    "chen@example.com",
    "Chen's phone",
    "My son is ill; call Mrs Chen",
    "家里有事",
    "G1234567",
)
# Values from the configuration, the school's file, templates, certificates, identity providers and attestations.
NOT_WRITTEN_BY_PEOPLE = {
    "authority",
    "key",
    "organisation",
    "course",
    "campus",
    "app",
    "template_version",
    "consent_version",
    "serial",
    "request_id",
    "level",
    "platform",
    "rp_id",
    "method",
}
PLAIN = (
    ("issued", {"document_sha256": "a" * 64}),
    ("deadline-moved", {"before": "2026-12-01T10:00:00+00:00"}),
    ("message-sending", {"channel": "sms_aliyun", "purpose": "new-link", "delivery": str(uuid4())}),
    ("signature-accepted", {"field": "guardian-1", "custody": "usb-token", "pages_seen": [1, 2], "x": True, "y": None}),
    ("drawn", {"number": "QD-2026-000001", "course": "math-a", "language": "zh", "template_version": "1.2"}),
    ("voided", {"reason": "reissued"}),
    ("expired", {"reason": "deadline"}),
    ("declined", {"reason": ""}),
    ("certificate-revoked", {"reason": "key_compromise"}),
    ("stuck", {"reason": "timestamp-unavailable"}),
    ("identity-checked", {"method": "name, number of the ID card and mobile number", "provider": "aliyun"}),
    ("app-key-revoked", {"reason": "by-its-person"}),
    ("phone-changed", {"asked_by": "staff:x", "approved_by": ["old-phone", "api:1"]}),
    ("certificate-brought", {"authority": "Common Name: 测试 CA, Country: CN"}),
    ("agent-refused", {"reason": "claimed before"}),
    ("custody-refused", {"accepted": ["usb-token", "app-keystore"], "custody_claimed": "browser"}),
    ("confirmation-refused", {"reason": "the passkey's counter decreased: it may have been copied"}),
    ("certificate-issued", {"authority": "builtin", "serial": "123456789", "passed_over": "first second"}),
    ("reminders-changed", {"keys": "max_per_day, reminders_after"}),
)


# The position of the kind among the arguments of functions that pass it on.
HANDED_ON = {"_note": 2, "_note_certified": 3}


def kinds_in_the_program() -> Iterator[str]:
    """Yield every kind that is a literal in a call that appends an entry, directly or through a function in
    HANDED_ON."""
    for path in (ROOT / "hub").rglob("*.py"):
        text = path.read_text("utf-8")
        if "_note" not in text and not ("record" in text and "append" in text):
            continue  # none of the names that are looked for: to parse and walk the whole program takes a second
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            place = {"record.append": 2}.get(
                ".".join(called.split(".")[-2:]), {"_note": 2, "_note_certified": 3}.get(called)
            )
            if place is not None and len(node.args) > place and isinstance(given := node.args[place], ast.Constant):
                yield str(given.value)


def test_every_kind_of_entry_that_the_program_writes_is_known_by_its_words() -> None:
    found = set(kinds_in_the_program())
    assert len(found) > 30 and {"declined", "voided"} <= set(RECORDS)
    assert found <= set(RECORDS)


@pytest.mark.parametrize("kind", [*RECORDS, "a-kind-that-nobody-knows"])
def test_what_somebody_wrote_stands_in_no_fact_of_any_kind(kind: str) -> None:
    facts = {name for name in FORMS if name not in NOT_WRITTEN_BY_PEOPLE} | {"reason", "text", "label", "name", "note"}
    for text in WRITTEN:
        assert [name for name in facts if is_allowed_in_clear(kind, name, text)] == []
        nested = mark_personal_values(kind, {"reason": text, "people": [{"name": text}], "list": [text]})
        assert len(list(list_personal_values(nested))) == 3
        assert text not in str(insert_commitments(nested, {text: "ab"}))


@pytest.mark.parametrize(("kind", "facts"), PLAIN)
def test_what_the_hub_itself_says_stands_as_it_is(kind: str, facts: dict[str, object]) -> None:
    assert (
        mark_personal_values(kind, facts) == facts
        and list(list_personal_values(mark_personal_values(kind, facts))) == []
    )


def test_commitments_are_found_by_the_name_of_their_fact() -> None:
    facts = {"reason": {COMMITTED: "a"}, "people": [{"name": {COMMITTED: "b"}}], "plain": "c"}
    assert list(list_commitments(facts)) == [("reason", "a"), ("name", "b")]
    assert set(REASONS) <= set(RECORDS)
