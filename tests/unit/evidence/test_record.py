"""The chain of a record is checked entry by entry."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given, strategies as some

from hub.model.evidence.record import GENESIS, RecordEntry, compute_commitment, compute_entry_digest, find_broken_entry

CONTRACT = UUID(int=1)
AT = datetime(2026, 11, 25, 2, tzinfo=UTC)


def chain(*kinds: str) -> list[RecordEntry]:
    entries: list[RecordEntry] = []
    for number, kind in enumerate(kinds, 1):
        previous = entries[-1].digest if entries else GENESIS
        facts = {"名": "值", "n": number}
        entry = RecordEntry(CONTRACT, number, AT, kind, "hub", facts, previous)
        entries.append(replace(entry, digest=compute_entry_digest(entry)))
    return entries


@given(some.lists(some.text(max_size=5), min_size=1, max_size=8), some.data())
def test_any_change_removal_or_exchange_breaks_it(kinds: list[str], data: some.DataObject) -> None:
    entries = chain(*kinds)
    assert find_broken_entry(entries) is None
    place = data.draw(some.integers(0, len(entries) - 1))
    entry = entries[place]
    for forged in (
        replace(entry, kind=entry.kind + "x"),
        replace(entry, actor="staff:x"),
        replace(entry, facts={}),
        replace(entry, at=entry.at + timedelta(microseconds=1)),
        replace(entry, sequence=entry.sequence + 1),
        replace(entry, contract=UUID(int=2)),
    ):
        assert find_broken_entry([*entries[:place], forged, *entries[place + 1 :]]) == forged.sequence
    if place < len(entries) - 1:
        assert find_broken_entry(entries[:place] + entries[place + 1 :]) == entries[place + 1].sequence


def test_an_entry_has_to_name_the_one_before_it() -> None:
    """This holds even if the entry's digest was made over the right one."""
    first, second = chain("issued", "signed")
    assert find_broken_entry([first, replace(second, previous=GENESIS)]) == 2


def test_a_chain_that_was_made_anew_without_an_entry_has_a_gap() -> None:
    first, _, third = chain("issued", "signed", "completed")
    again = replace(third, previous=first.digest)
    again = replace(again, digest=compute_entry_digest(again))
    assert find_broken_entry([first, again]) == 3


def test_the_same_moment_in_another_zone_has_the_same_digest() -> None:
    local = AT.astimezone(timezone(timedelta(hours=8)))
    digests = {compute_entry_digest(RecordEntry(CONTRACT, 1, at, "issued", "hub", {}, GENESIS)) for at in (AT, local)}
    assert len(digests) == 1


def test_the_digest_can_be_recomputed_from_the_words_of_the_documentation() -> None:
    statement = (
        '{"actor":"hub","at":"2026-11-25T02:00:00.000000+00:00","contract":"00000000-0000-0000-0000-000000000001",'
        '"facts":{"名":"值"},"kind":"issued","previous":"' + "00" * 32 + '","sequence":1}'
    )
    expected = hashlib.sha256(statement.encode()).digest()
    assert compute_entry_digest(RecordEntry(CONTRACT, 1, AT, "issued", "hub", {"名": "值"}, GENESIS)) == expected


def test_a_commitment_means_nothing_without_its_salt() -> None:
    assert compute_commitment(b"a" * 32, "+8619000000101") != compute_commitment(b"b" * 32, "+8619000000101")
    assert len(compute_commitment(b"a" * 32, "x")) == 64
