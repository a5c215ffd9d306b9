"""`qianda verify` on an OFD: what it says about genuine files, those of other makers, and wrong ones."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from asn1crypto import x509

from hub.documents.ofd.seal import finish_seal, seal_info
from qianda.verify import Word, verify_bytes
from qianda.verify.elements import VerificationReport
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element, UnreadableOfd
from qianda.verify.trust import Trust
from qianda.verify.verdict import verdict
from tests.commands import run_command
from tests.ofd.foreign import Habits, foreign_ofd, signed_by_person
from tests.ofd.identities import MADE_AT, ORGANISATION, Identities
from tests.ofd.plain import PAGE, members_of, plain_ofd, with_members

SPELLINGS = {
    "Z": "20261127020809Z",
    "milliseconds": "20261127020809.123Z",
    "without zone": "20261127100809",
    "spaces": "2026-11-27 10:08:09",
}
FOREIGN = {
    "version 1": Habits(version=1, inside="20261127020809Z"),
    "version 5": Habits(version=5),
    "the hash by its OID": Habits(check_method="1.2.156.10197.1.401"),
    "no type": Habits(kind=None),
    "no file of the seal": Habits(with_seal_file=False),
    "relative and missing slashes": Habits(slash=""),
    "certificates by their hashes": Habits(listed_as_hash=True),
    "raw numbers": Habits(raw_signature=True),
    "no seal, content": Habits(version=0, kind="Sign"),
    "no seal, attributes": Habits(version=0, kind="Sign", attributes=True),
    "no seal, no type": Habits(version=0, kind=None, attributes=True),
    **{f"the time with {name}": Habits(described=spelled) for name, spelled in SPELLINGS.items()},
    "milliseconds inside": Habits(inside="20261127020809.5Z"),
}


def word(report: VerificationReport, element: Element) -> Word:
    return next(answer.word for answer in report.document if answer.element is element)


def reason(report: VerificationReport, element: Element) -> str:
    return next(answer.reason.en for answer in report.document if answer.element is element)


def test_a_signed_and_sealed_file_is_genuine(who: Identities, sealed: bytes) -> None:
    report = verify_bytes(sealed, who.trust)
    assert [(party.name, party.is_seal) for party in report.parties] == [
        ("王小明", False),
        (f"{ORGANISATION} ({who.new_seal.name})", True),
    ]
    assert not report.failed
    assert word(report, Element.OWNED) is Word.NOT_SHOWN  # the built-in authority is for trial
    assert word(report, Element.TEXT) is Word.SHOWN
    assert word(report, Element.TIME) is Word.DECLARED
    assert "signed by 王小明 and sealed by" in verdict(report)[0].en


def test_it_needs_an_authority_to_trust(sealed: bytes) -> None:
    report = verify_bytes(sealed, Trust())
    assert word(report, Element.OWNED) is Word.FAILED
    assert word(report, Element.TEXT) is Word.SHOWN


async def test_an_authority_may_have_renewed_its_root(who: Identities, sealed: bytes) -> None:
    renewed = (await Identities.make()).trust.authorities  # the same name, another key
    assert not verify_bytes(sealed, Trust(authorities=(*renewed, *who.trust.authorities))).failed


async def test_a_person_cannot_hide_a_member_behind_a_signature_of_their_own(who: Identities) -> None:
    """The files of every listed signature need no reference. One that names a seal without having one is refused."""
    hidden = "Doc_0/Signs/Sign_9/Seal.esl"
    habits = Habits(version=0, kind="Sign")
    honest = await foreign_ofd(plain_ofd(), who, habits)
    assert not verify_bytes(honest, who.trust).failed
    report = verify_bytes(with_members(honest, **{hidden: b"<x/>"}), who.trust)
    assert "not the seal that the signature's value holds" in reason(report, Element.SIGNATURE)


async def test_an_authority_that_is_not_trusted_fails(sealed: bytes) -> None:
    report = verify_bytes(sealed, (await Identities.make()).trust)
    assert "does not lead to a trusted authority" in reason(report, Element.OWNED)


@pytest.mark.parametrize("habits", FOREIGN.values(), ids=FOREIGN.keys())
async def test_what_other_makers_write_is_read(who: Identities, habits: Habits) -> None:
    report = verify_bytes(await foreign_ofd(plain_ofd(), who, habits), who.trust)
    assert not report.failed, [answer.reason.en for answer in report.document]
    moment = report.parties[0].signed_at
    assert moment is not None and moment.replace(microsecond=0) == datetime(2026, 11, 27, 2, 8, 9, tzinfo=UTC)


async def test_a_seal_that_had_expired_fails(who: Identities) -> None:
    habits = Habits(life=("20200101000000Z", "20200101000000Z", "20220101000000Z"))
    report = verify_bytes(await foreign_ofd(plain_ofd(), who, habits), who.trust)
    assert "outside the seal's life from 2020" in reason(report, Element.OWNED)
    assert word(report, Element.TEXT) is Word.SHOWN


async def test_a_signature_before_its_certificate_was_made_fails(who: Identities) -> None:
    report = verify_bytes(await signed_by_person(plain_ofd(), who, MADE_AT - timedelta(days=2)), who.trust)
    assert "outside the certificate's life" in reason(report, Element.OWNED)


async def test_a_time_that_has_not_come_yet_fails(who: Identities) -> None:
    report = verify_bytes(await signed_by_person(plain_ofd(), who, datetime.now(UTC) + timedelta(days=20)), who.trust)
    assert (word(report, Element.TIME), word(report, Element.OWNED)) == (Word.FAILED, Word.NOT_SHOWN)


async def test_a_certificate_that_the_seal_does_not_list_fails(who: Identities) -> None:
    stranger = dataclasses.replace(who, seal_key=who.signer_key, seal_certificate=who.signer_certificate)
    report = verify_bytes(await stranger.sealed(plain_ofd()), who.trust)
    assert "not among those that the seal lists" in reason(report, Element.OWNED)


async def test_a_seal_that_a_person_made_for_themselves_fails(who: Identities) -> None:
    new = dataclasses.replace(who.new_seal, maker=who.signer_certificate, certificates=(who.signer_certificate,))
    info = seal_info(new)
    forged = finish_seal(new, info, await who.signer_key.sign(info))
    forger = dataclasses.replace(who, seal=forged, seal_key=who.signer_key, seal_certificate=who.signer_certificate)
    report = verify_bytes(await forger.sealed(plain_ofd()), who.trust)
    assert "The maker of the seal is unknown" in reason(report, Element.OWNED)


@pytest.mark.parametrize("listed", ["seal_certificate", "signer_certificate"])
async def test_an_organisation_cannot_make_the_seal_of_another(who: Identities, listed: str) -> None:
    """Its authority states that it may seal, not that it may make seals. The name of a seal is its maker's."""
    key, own = (who.seal_key if listed == "seal_certificate" else who.signer_key), getattr(who, listed)
    new = dataclasses.replace(who.new_seal, maker=who.seal_certificate, certificates=(own,), name="另一学校合同专用章")
    info = seal_info(new)
    forged = finish_seal(new, info, await who.seal_key.sign(info))
    forger = dataclasses.replace(who, seal=forged, seal_key=key, seal_certificate=own)
    file = await forger.sealed(plain_ofd())
    assert "The maker of the seal is unknown" in reason(verify_bytes(file, who.trust), Element.OWNED)
    pinned = dataclasses.replace(who.trust, seals=(x509.Certificate.load(who.seal_certificate),))
    assert not verify_bytes(file, pinned).failed


async def test_nobody_seals_with_what_is_not_made_yet(who: Identities) -> None:
    """A seal is valid from a day on that its maker chooses, also one long before it was made."""
    for created, failed in (("20261128010000Z", False), ("20261129010000Z", True)):
        file = await foreign_ofd(plain_ofd(), who, Habits(life=(created, "20260101000000Z", "20401231235959Z")))
        report = verify_bytes(file, who.trust)
        assert report.failed == failed
    assert "outside the seal's life from 2026-11-29" in reason(report, Element.OWNED)


@pytest.mark.parametrize("created", ["00010101000000Z", "99991231235959Z"])
@pytest.mark.parametrize("inside", ["00010101000000Z", "99991231235959Z"])
async def test_times_at_the_ends_of_the_calendar_are_compared(who: Identities, created: str, inside: str) -> None:
    habits = Habits(inside=inside, life=(created, "00010101000000Z", "99991231235959Z"))
    report = verify_bytes(await foreign_ofd(plain_ofd(), who, habits), who.trust)
    assert word(report, Element.OWNED) is Word.FAILED


async def test_a_seal_that_its_maker_did_not_sign_fails(who: Identities) -> None:
    info = seal_info(dataclasses.replace(who.new_seal, name="另一印章"))
    forged = finish_seal(who.new_seal, info, await who.seal_key.sign(info))
    report = verify_bytes(await dataclasses.replace(who, seal=forged).sealed(plain_ofd()), who.trust)
    assert "signature of the seal's maker" in reason(report, Element.SIGNATURE)


def test_altered_words_are_named(who: Identities, sealed: bytes) -> None:
    page = members_of(sealed)[PAGE].replace(b"12,800.00", b"12,900.00")
    report = verify_bytes(with_members(sealed, **{PAGE: page}), who.trust)
    assert f"{PAGE}: altered" in reason(report, Element.TEXT)


def test_a_value_that_cannot_be_read_is_the_reason_for_every_answer(who: Identities, sealed: bytes) -> None:
    report = verify_bytes(with_members(sealed, **{"Doc_0/Signs/Sign_1/SignedValue.dat": b"\x30\x01"}), who.trust)
    (broken,) = (party for party in report.parties if party.is_seal)
    assert {answer.word for answer in broken.answers} == {Word.FAILED}
    assert {answer.reason for answer in broken.answers if answer.element is not Element.TEXT} == {
        next(answer.reason for answer in broken.answers if answer.element is Element.SIGNATURE)
    }
    assert "value cannot be read" in reason(report, Element.SIGNATURE)


def test_a_member_that_nobody_covers_is_named(who: Identities, sealed: bytes) -> None:
    for name in ("Doc_0/Pages/Page_1/Content.xml", "Doc_0/Signs/Sign_0/more.xml", "new.txt"):
        report = verify_bytes(with_members(sealed, **{name: b"<a/>"}), who.trust)
        assert f"{name}: not covered" in reason(report, Element.TEXT)


def test_a_missing_member_is_named(who: Identities, sealed: bytes) -> None:
    report = verify_bytes(with_members(sealed, **{"Doc_0/PublicRes.xml": None}), who.trust)
    assert "Doc_0/PublicRes.xml: signed, and missing" in reason(report, Element.TEXT)


def test_a_signature_that_is_taken_off_the_list_is_noticed(who: Identities, sealed: bytes) -> None:
    listed = members_of(sealed)["Doc_0/Signs/Signatures.xml"]
    start, end = listed.index(b"<ofd:Signature ID"), listed.index(b"/>") + 2
    report = verify_bytes(
        with_members(sealed, **{"Doc_0/Signs/Signatures.xml": listed[:start] + listed[end:]}), who.trust
    )
    assert [party.is_seal for party in report.parties] == [True]
    assert "may have been removed" in reason(report, Element.TEXT)


def test_a_file_without_signatures_fails(who: Identities) -> None:
    report = verify_bytes(plain_ofd(), who.trust)
    assert report.failed and "no signature" in reason(report, Element.TEXT)


@pytest.mark.parametrize(("ours", "said"), [(False, "office program"), (True, "cannot be read as an OFD")])
def test_an_office_file_is_called_one(who: Identities, ours: bool, said: str) -> None:
    written = BytesIO()
    with ZipFile(written, "w") as office:
        for name in ("[Content_Types].xml", "_rels/.rels", "OFD.xml" if ours else "word/document.xml"):
            office.writestr(name, "<x/>")
    with pytest.raises(UnreadableOfd, match=said):
        verify_bytes(written.getvalue(), who.trust)


def test_the_expected_number_is_compared(who: Identities, sealed: bytes) -> None:
    report = verify_bytes(sealed, who.trust, Expectation(number="HF-1"))
    assert "not the contract that was expected" in reason(report, Element.TEXT)
    assert verify_bytes(sealed, who.trust, Expectation(final_sha256="0" * 64)).failed


def test_the_command_judges_an_ofd(who: Identities, sealed: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.ofd").write_bytes(sealed)
    trust = who.write_trust(tmp_path / "root.pem")
    done = run_command(["verify", str(tmp_path / "c.ofd"), "--trust", str(trust), "--json"], {"LANG": "C.UTF-8"})
    said = json.loads(done.stdout)
    assert (done.returncode, said["failed"], said["elements"]["text unaltered"]["word"]) == (0, False, "shown")
    (tmp_path / "c.ofd").write_bytes(sealed + b"x")
    done = run_command(["verify", str(tmp_path / "c.ofd"), "--trust", str(trust)], {"LANG": "zh_CN.UTF-8"})
    assert done.returncode == 2 and "无法按 OFD 读取" in done.stderr
