"""The verifier's answers: for a finished contract, and for many ways in which a contract is not finished."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hub.timestamps.builtin import BuiltinTimestamps
from qianda.verify import UnreadableDocument, verify_bytes, verify_file
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element, Word
from qianda.verify.pdf.structure import check_finished, examine
from qianda.verify.reasons import DIGEST_WRONG, TIME_WRONG
from qianda.verify.trust import Trust, UnreadableTrust
from qianda.verify.verdict import verdict
from tests.signing_parts import FinishedParts, Pki, finished_contract, utc_now
from tests.verify.reading import FIELDS, SIGNERS, complaints, failed, failed_of, words


def test_a_finished_contract_of_the_built_in_authority(contract: FinishedParts, trust: Trust, tmp_path: Path) -> None:
    file = tmp_path / "contract.pdf"
    file.write_bytes(contract.final)
    report = verify_file(file, trust, Expectation(FIELDS))
    assert words(report) == {
        Element.OWNED: Word.NOT_SHOWN,
        Element.USED: Word.DECLARED,
        Element.SIGNATURE: Word.SHOWN,
        Element.TEXT: Word.SHOWN,
        Element.TIME: Word.NOT_SHOWN,
    }
    assert (report.failed, report.trial, report.file) == (False, True, "contract.pdf")
    assert [(party.field, party.is_seal) for party in report.parties] == [(name, name == "seal") for name in FIELDS]
    assert [party.name for party in report.parties][:2] == ["王小明", "李雷"]
    assert report.archived_at is not None
    assert all(answer.reason.zh and answer.reason.en for party in report.parties for answer in party.answers)


def test_the_quick_check_finds_nothing_in_it(contract: FinishedParts) -> None:
    assert check_finished(contract.final, FIELDS) == []


def test_other_fields_than_expected_are_named(contract: FinishedParts) -> None:
    findings = check_finished(contract.final, (*FIELDS, "representative-1"))
    assert [finding.element for finding in findings] == [Element.TEXT]
    assert "representative-1" in findings[0].reason.en


@pytest.mark.parametrize(
    "revision", ["guardian-1-signed", "guardian-1-validated", "student-1-signed", "student-1-validated", "seal-signed"]
)
def test_a_file_cut_back_fails(contract: FinishedParts, trust: Trust, revision: str) -> None:
    cut = contract.revisions[revision]
    assert contract.final.startswith(cut), "each revision is the beginning of the finished file"
    report = verify_bytes(cut, trust)
    assert report.failed
    assert "cut back" in complaints(report)
    assert check_finished(cut, FIELDS)


def test_an_unsigned_contract_fails(contract: FinishedParts, trust: Trust) -> None:
    assert failed(verify_bytes(contract.revisions["unsigned"], trust)) == set(Element)


def test_without_trust_the_chain_fails(contract: FinishedParts) -> None:
    report = verify_bytes(contract.final, Trust())
    assert failed(report) == {Element.OWNED, Element.TIME}
    assert "No authority is trusted" in complaints(report)


def test_another_authority_does_not_do(contract: FinishedParts, tmp_path: Path) -> None:
    other = asyncio.run(finished_contract(tmp_path))
    report = verify_bytes(contract.final, Trust.load([other.trust_pem]))
    assert failed(report) == {Element.OWNED, Element.TIME}
    assert failed_of(report, "seal") == {Element.OWNED, Element.TIME}


def test_a_timestamp_authority_that_is_not_pinned_does_not_do(contract: FinishedParts, trust: Trust) -> None:
    report = verify_bytes(contract.final, Trust(trust.authorities, ()))
    assert Element.TIME in failed(report)


def test_a_certificate_that_had_expired_before_its_timestamp_fails(tmp_path: Path) -> None:
    expired = asyncio.run(finished_contract(tmp_path, signers=SIGNERS, expired=True))
    report = verify_bytes(expired.final, Trust.load([expired.trust_pem]))
    assert failed_of(report, "guardian-1") == {Element.OWNED}
    assert not failed_of(report, "student-1")
    assert "outside the certificate's life" in complaints(report)


def test_a_revoked_certificate_fails(tmp_path: Path) -> None:
    revoked = asyncio.run(finished_contract(tmp_path, signers=SIGNERS, revoked=["student-1"]))
    report = verify_bytes(revoked.final, Trust.load([revoked.trust_pem]))
    assert failed_of(report, "student-1") == {Element.OWNED}


@pytest.mark.parametrize(
    ("behind", "contradicted"),
    [
        ({}, set()),
        ({"seal": timedelta(minutes=4)}, set()),
        ({"seal": timedelta(minutes=6)}, {*FIELDS}),
        ({"archive": timedelta(days=1)}, {*FIELDS}),
        ({"guardian-1": timedelta(days=1)}, set()),
    ],
)
def test_a_timestamp_is_not_older_than_what_it_covers(
    tmp_path: Path, behind: dict[str, timedelta], contradicted: set[str]
) -> None:
    """The clock of the timestamp service falls back for one timestamp, and is right again."""
    pki = asyncio.run(Pki.make(lambda: utc_now() - timedelta(days=2)))
    stamping = iter([*SIGNERS, "seal", "archive"])
    timestamps = BuiltinTimestamps(
        pki.timestamps._key,
        pki.timestamps.certificates,
        lambda: utc_now() - behind.get(next(stamping), timedelta()),
    )
    made = asyncio.run(finished_contract(tmp_path, signers=SIGNERS, pki=replace(pki, timestamps=timestamps)))
    parties = verify_bytes(made.final, Trust.load([made.trust_pem])).parties
    times = {party.field: answer for party in parties for answer in party.answers if answer.element is Element.TIME}
    assert {field for field, answer in times.items() if "contradicts" in answer.reason.en} == contradicted
    assert {answer.word for answer in times.values()} == {Word.NOT_SHOWN}


@pytest.mark.parametrize(("minutes", "wrong"), [([4, 3, 4], set()), ([7, 7, 7], {Element.OWNED})])
def test_a_file_can_be_checked_at_once_if_the_clock_of_its_timestamps_is_a_little_ahead(
    tmp_path: Path, minutes: list[int], wrong: set[Element]
) -> None:
    """The hub accepts timestamps of a clock that differs by up to five minutes."""
    left = iter(minutes)

    async def make() -> FinishedParts:
        pki = await Pki.make()
        key, certificates = pki.timestamps._key, pki.timestamps.certificates
        ahead = BuiltinTimestamps(key, certificates, lambda: utc_now() + timedelta(minutes=next(left)))
        return await finished_contract(tmp_path, pki=replace(pki, timestamps=ahead))

    made = asyncio.run(make())
    assert failed(verify_bytes(made.final, Trust.load([made.trust_pem]))) == wrong


def test_a_missing_seal_fails(tmp_path: Path) -> None:
    open_contract = asyncio.run(finished_contract(tmp_path, with_seal=False))
    report = verify_bytes(open_contract.final, Trust.load([open_contract.trust_pem]))
    assert "no seal" in complaints(report)


def test_a_missing_document_timestamp_fails(tmp_path: Path) -> None:
    unclosed = asyncio.run(finished_contract(tmp_path, closed=False))
    report = verify_bytes(unclosed.final, Trust.load([unclosed.trust_pem]))
    assert "No document timestamp" in complaints(report)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.integers(0, 2**32 - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_fails_or_makes_the_file_unreadable(contract: FinishedParts, share: int, bit: int) -> None:
    """`share` is a position in the file, in parts of 2³² of its length, so that the drawn values do not depend on the
    file."""
    assert check_finished(flipped(contract.final, share * len(contract.final) >> 32, bit), FIELDS)


@pytest.mark.real
@pytest.mark.parametrize(("where", "flips"), [("covered", 2000), ("last gap", 500)])
def test_thousands_of_flipped_bits_fail(contract: FinishedParts, where: str, flips: int) -> None:
    """None of them passes, in what the document timestamp covers or in the place of its own value."""
    pdf, chance = contract.final, random.Random(20261126)
    start, end = examine(pdf).file.signatures[-1].gap
    places = range(start, end) if where == "last gap" else [*range(start), *range(end, len(pdf))]
    for _ in range(flips):
        place, bit = chance.choice(places), chance.randrange(8)
        assert check_finished(flipped(pdf, place, bit), FIELDS), (place, bit)


def test_a_flipped_bit_in_each_region_fails(contract: FinishedParts, trust: Trust) -> None:
    """In the text, in each signature's value, timestamp and padding, in the evidence, and in the last lines."""
    structure = examine(contract.final)
    places = [contract.final.index(b"amount"), len(contract.final) - 9, contract.final.index(b"/DSS") + 2]
    for signature in structure.file.signatures:
        start, end = signature.gap
        used = len(signature.contents.rstrip(b"\0")) * 2
        places += [start + 41, start + used // 2, start + used - 3, end - 5]
    letter = next(at for at in range(start + 1, end) if contract.final[at : at + 1] in b"abcdef")
    for place, bit in [*((place, 0) for place in places), (letter, 5)]:  # the letter becomes upper-case
        changed = flipped(contract.final, place, bit)
        assert check_finished(changed, FIELDS), place
        try:
            assert verify_bytes(changed, trust).failed, place
        except UnreadableDocument:
            pass


def test_a_changed_page_is_named_as_the_reason_for_every_answer(contract: FinishedParts, trust: Trust) -> None:
    report = verify_bytes(contract.final.replace(b"/MediaBox", b"/MediaBoy", 1), trust)
    assert DIGEST_WRONG.en in verdict(report)[0].en
    said = {each.element: each.reason for party in report.parties for each in party.answers}
    assert said == dict.fromkeys(Element, DIGEST_WRONG) | {Element.TIME: TIME_WRONG}  # the document timestamp's


def test_bytes_behind_the_document_timestamp_fail(contract: FinishedParts, trust: Trust) -> None:
    for tail in (b"\n", b"%%EOF\n", b"\0" * 2000, contract.final):
        assert check_finished(contract.final + tail, FIELDS)
    assert Element.TEXT in failed(verify_bytes(contract.final + b"% a comment\n", trust))


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"hello",
        b"%PDF-1.7\n",
        b"%PDF-1.7\nstartxref\n0\n%%EOF\n",
        b"%PDF-1.7\n" + b"[" * 200_000 + b"\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 99999999999\n" + b"startxref\n9\n%%EOF\n",
    ],
    ids=["empty", "text", "header", "no table", "deep", "huge table"],
)
def test_garbage_is_unreadable(garbage: bytes, trust: Trust) -> None:
    with pytest.raises(UnreadableDocument):
        verify_bytes(garbage, trust)
    assert check_finished(garbage, FIELDS)


def test_a_contract_cut_anywhere_never_passes(contract: FinishedParts) -> None:
    for length in range(0, len(contract.final), 997):
        assert check_finished(contract.final[:length], FIELDS)


def test_trust_files_that_hold_no_certificate_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing here")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(UnreadableTrust, match=path.name):
            Trust.load([path])


def test_a_trust_folder_brings_the_addresses_of_its_hub(contract: FinishedParts, tmp_path: Path) -> None:
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "school.pem").write_bytes(contract.trust_pem.read_bytes())
    assert Trust.load([folder]).origins == frozenset()
    (folder / "origins.txt").write_text("https://old.example\nhttps://sign.example\n")
    assert Trust.load([folder]).origins == {"https://old.example", "https://sign.example"}
    assert len(Trust.load([folder]).authorities) == 1


def flipped(data: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)
