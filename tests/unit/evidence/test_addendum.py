"""An addendum is made when something happened that nobody was given yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hub.model.evidence.addendum import (
    EvidenceAddendum,
    LaterFacts,
    LaterRevocation,
    RevokedSeal,
    UsedCertificate,
    has_later_entries,
    later_revocations,
    moment_read,
)
from hub.model.evidence.record import RecordEntry

NOW, CONTRACT = datetime(2026, 11, 27, tzinfo=UTC), UUID(int=1)


def entries(*kinds: str, after: int = 0) -> list[RecordEntry]:
    return [
        RecordEntry(CONTRACT, number, NOW, kind, "hub", {}, b"") for number, kind in enumerate(kinds, start=after + 1)
    ]


@pytest.mark.parametrize(
    ("kinds", "renewals", "before", "is_new"),
    [
        ((), 0, None, False),
        (("evidence-made", "evidence-downloaded", "viewed-by-staff"), 0, None, False),
        (("evidence-made", "copy-refused", "copy-opened"), 0, None, False),
        (("evidence-made", "hold-placed"), 0, None, True),
        ((), 1, None, True),
        (("evidence-made", "hold-placed"), 0, (12, 0), False),
        (("evidence-made", "hold-placed", "addendum-made"), 0, (12, 0), False),
        (("evidence-made", "hold-placed", "addendum-made", "hold-lifted"), 0, (12, 0), True),
        (("evidence-made", "hold-placed"), 1, (12, 0), True),
        (("evidence-made", "hold-placed"), 1, (12, 1), False),
    ],
)
def test_facts_are_new_if_neither_package_nor_addendum_has_them(
    kinds: tuple[str, ...], renewals: int, before: tuple[int, int] | None, is_new: bool
) -> None:
    earlier = EvidenceAddendum(CONTRACT, 1, "hq", "ab", 1, NOW, *before) if before else None
    facts = LaterFacts(CONTRACT, "QD-1", ("", ""), entries(*kinds, after=10), b"", renewals, earlier)
    assert facts.is_new is is_new


def test_only_what_came_after_the_package_is_told() -> None:
    assert not has_later_entries(entries("issued", "voided"))
    assert not has_later_entries(entries("hold-placed", "evidence-made", "read-by-staff"))
    assert has_later_entries(entries("evidence-made", "hold-placed"))


def test_a_revoked_seal_is_told_whatever_certificate_its_key_had() -> None:
    later, seal = NOW + timedelta(hours=1), UUID(int=7)
    over = [RevokedSeal(seal, b"key", later)]
    earlier, ofd = UsedCertificate("seal", 5, b"key"), UsedCertificate("ofd-seal", None, b"", seal)
    others = [UsedCertificate("parent", 6, b"other"), UsedCertificate("ofd-seal", None, b"", UUID(int=8))]
    told = later_revocations([earlier, ofd, *others], {}, over, NOW)
    assert [(each.field, each.serial, each.reason) for each in told] == [
        ("seal", 5, "seal-revoked"),
        ("ofd-seal", None, "seal-revoked"),
    ]
    assert later_revocations([earlier, ofd], {}, over, later) == []
    (told_once,) = later_revocations([earlier], {5: (later, "cessation_of_operation")}, over, NOW)
    assert told_once.reason == "cessation_of_operation"


def test_what_was_revoked_while_an_addendum_was_made_is_new() -> None:
    meanwhile = LaterRevocation("parent", 5, NOW - timedelta(seconds=1), "key_compromise")
    before = EvidenceAddendum(CONTRACT, 1, "hq", "ab", 1, NOW, 0, 0)
    assert LaterFacts(CONTRACT, "QD-1", ("", ""), [], b"", 0, before, [meanwhile]).is_new
    told = replace(before, revoked=[meanwhile.name])
    assert not LaterFacts(CONTRACT, "QD-1", ("", ""), [], b"", 0, told, [meanwhile]).is_new


def test_a_package_has_what_was_known_when_its_signing_began() -> None:
    begun, failed = NOW - timedelta(seconds=9), NOW - timedelta(hours=1)
    attempts = [
        {"kind": "evidence", "started_at": failed, "ended_at": failed},
        {"kind": "seal", "started_at": failed, "ended_at": NOW},
        {"kind": "evidence", "started_at": begun, "ended_at": NOW},
    ]
    assert moment_read(attempts, NOW) == begun
    assert moment_read(attempts[:1], NOW) == NOW
    meanwhile = {5: (NOW - timedelta(seconds=1), "key_compromise")}
    assert later_revocations([UsedCertificate("parent", 5, b"key")], meanwhile, [], moment_read(attempts, NOW))
