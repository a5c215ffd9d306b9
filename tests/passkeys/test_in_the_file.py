"""A passkey's confirmation in a finished contract: every outside program still accepts the file, and `verify` says what
was shown, and what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.documents.pades.cms import assembled
from hub.documents.signing.signature import RESERVED_HEX_DIGITS
from qianda.confirmation import packed
from qianda.passkey import MAX_AUTHENTICATOR_DATA_BYTES, MAX_CLIENT_DATA_BYTES, MAX_SIGNATURE_BYTES, Assertion
from qianda.passkey_binding import PasskeyBinding
from qianda.verify import verify_bytes
from qianda.verify.elements import ElementAnswer, VerificationReport
from qianda.verify.findings import Element, Word
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.judges import judge
from tests.passkeys.authenticator import ORIGIN, PRESENT, Authenticator, of_windows
from tests.signing_parts import Confirm, FinishedParts, Pki, finished_contract
from tests.verify.reading import FIELDS, SIGNERS, complaints, failed

pytestmark = pytest.mark.custody


def by(device: Authenticator) -> Confirm:
    return lambda to_be_signed: packed(device.public_key, device.confirm(to_be_signed))


def used(report: VerificationReport, field: str) -> ElementAnswer:
    party = next(party for party in report.parties if party.field == field)
    return next(answer for answer in party.answers if answer.element is Element.USED)


def named(device: Authenticator, origin: str = ORIGIN) -> PasskeyBinding:
    """Return the binding by which a signer's certificate names this passkey."""
    return PasskeyBinding.to(device.public_key, origin)


async def contract_with(folder: Path, confirmed: dict[str, Confirm], **named_in: PasskeyBinding) -> FinishedParts:
    """Make a contract. `named_in`: the passkeys that the certificates of `guardian` and `student` name."""
    bindings = {f"{name}-1": binding for name, binding in named_in.items()}
    return await finished_contract(folder, signers=SIGNERS, confirmed=confirmed, bindings=bindings)


@pytest.mark.real
async def test_every_judge_takes_the_file_and_it_is_shown(tmp_path: Path) -> None:
    phone, laptop = Authenticator(), of_windows()
    made = await contract_with(
        tmp_path, {"guardian-1": by(phone), "student-1": by(laptop)}, guardian=named(phone), student=named(laptop)
    )
    (tmp_path / "final.pdf").write_bytes(made.final)
    judge(tmp_path / "final.pdf", made.trust_pem, list(FIELDS))
    assert check_finished(made.final, FIELDS) == []
    report = await verified(made, [made.trust_pem])
    assert used(report, "guardian-1").word is used(report, "student-1").word is Word.SHOWN


@pytest.mark.real
@pytest.mark.parametrize("clock", ["+20m", "+2d", "+400d", "+5y"])
async def test_every_judge_takes_it_years_later(tmp_path: Path, clock: str) -> None:
    phone = Authenticator()
    made = await contract_with(tmp_path, {"guardian-1": by(phone)}, guardian=named(phone))
    (tmp_path / "final.pdf").write_bytes(made.final)
    judge(tmp_path / "final.pdf", made.trust_pem, list(FIELDS), clock)


async def verified(made: FinishedParts, trust: list[Path]) -> VerificationReport:
    return await asyncio.to_thread(verify_bytes, made.final, Trust.load(trust))


async def report_of(folder: Path, confirm: Confirm, **named_in: PasskeyBinding) -> VerificationReport:
    made = await contract_with(folder, {"guardian-1": confirm}, **named_in)
    report = await verified(made, [made.trust_pem])
    assert bool(check_finished(made.final, FIELDS)) is report.failed
    return report


async def test_verify_says_what_was_shown(tmp_path: Path) -> None:
    phone = Authenticator()
    report = await report_of(tmp_path, by(phone), guardian=named(phone))
    said = used(report, "guardian-1")
    assert not report.failed, complaints(report)
    assert said.word is Word.SHOWN and ORIGIN in said.reason.en and ORIGIN in said.reason.zh
    assert "in the hub's record" in said.reason.en and "存证记录" in said.reason.zh
    assert used(report, "student-1").word is used(report, "seal").word is Word.DECLARED


# ---- what anybody could add to a file


async def test_a_passkey_that_the_certificate_does_not_name_is_declared(tmp_path: Path) -> None:
    """Whoever put the file together invented the passkey, with any origin."""
    made_up = Authenticator(origin="https://evil.example")
    report = await report_of(tmp_path, by(made_up))
    said = used(report, "guardian-1")
    assert not report.failed, complaints(report)
    assert said.word is Word.DECLARED
    assert "did not sign over it" in said.reason.en and "https://evil.example" in said.reason.en
    assert "没有载明这个密钥" in said.reason.zh


async def test_a_certificate_of_somebody_else_lends_its_passkey_to_nobody(tmp_path: Path) -> None:
    """The guardian's certificate, which names the passkey, is in the file; the student's names none."""
    phone = Authenticator()
    report = await report_of(tmp_path, by(phone), student=named(phone))
    assert used(report, "guardian-1").word is Word.DECLARED


PUT_IN_ITS_PLACE = {
    "the passkey of somebody else": (Authenticator(), named(Authenticator()), "another passkey"),
    "the origin of another hub": (Authenticator(origin="https://other.example"), None, "another origin"),
}


@pytest.mark.parametrize(("device", "binding", "wrong"), PUT_IN_ITS_PLACE.values(), ids=PUT_IN_ITS_PLACE)
async def test_another_one_than_the_certificate_names_has_failed(
    tmp_path: Path, device: Authenticator, binding: PasskeyBinding | None, wrong: str
) -> None:
    report = await report_of(tmp_path, by(device), guardian=binding or named(device))
    assert failed(report) == {Element.USED}
    assert used(report, "guardian-1").word is Word.FAILED and wrong in used(report, "guardian-1").reason.en


async def test_a_certificate_that_is_not_trusted_names_nothing(tmp_path: Path) -> None:
    phone, strangers = Authenticator(), await Pki.make()
    made = await contract_with(tmp_path, {"guardian-1": by(phone)}, guardian=named(phone))
    for trust in ([strangers.write_trust(tmp_path / "other.pem")], []):
        said = used(await verified(made, trust), "guardian-1")
        assert said.word is Word.DECLARED and "not trusted" in said.reason.en


async def test_an_address_that_is_not_the_hubs_has_failed(tmp_path: Path) -> None:
    phone = Authenticator()
    made = await contract_with(tmp_path, {"guardian-1": by(phone)}, guardian=named(phone))
    known = tmp_path / "origins.txt"
    for origins, word in (("https://old.example\n" + ORIGIN, Word.SHOWN), ("https://old.example", Word.FAILED)):
        known.write_text(origins)
        report = await verified(made, [made.trust_pem, known])
        assert used(report, "guardian-1").word is word
        assert report.failed is (word is Word.FAILED)
    assert f"confirmed this act at {ORIGIN}" in used(report, "guardian-1").reason.en


# ---- wrong ones


def of_another_request(device: Authenticator) -> Confirm:
    return lambda to_be_signed: packed(device.public_key, device.confirm(to_be_signed + b"x"))


def with_another_key(device: Authenticator) -> Confirm:
    return lambda to_be_signed: packed(Authenticator().public_key, device.confirm(to_be_signed))


def twice(device: Authenticator) -> Confirm:
    return lambda to_be_signed: by(device)(to_be_signed) + by(device)(to_be_signed)


def unreadable(_device: Authenticator) -> Confirm:
    return lambda _: b"\x05\x00"


def without_verified_user(device: Authenticator) -> Confirm:
    device.flags = PRESENT
    return by(device)


FORGED = [of_another_request, with_another_key, twice, unreadable, without_verified_user]


@pytest.mark.parametrize("forge", FORGED)
async def test_the_hub_does_not_finish_a_file_with_a_wrong_one(
    tmp_path: Path, forge: Callable[[Authenticator], Confirm]
) -> None:
    made = await finished_contract(tmp_path, confirmed={"guardian-1": forge(Authenticator())})
    (found,) = check_finished(made.final, ["guardian-1", "seal"])
    assert (found.element, found.field) == (Element.USED, "guardian-1")


async def test_verify_says_that_a_wrong_one_failed(tmp_path: Path) -> None:
    report = await report_of(tmp_path, of_another_request(Authenticator()))
    assert failed(report) == {Element.USED}
    assert used(report, "guardian-1").word is Word.FAILED
    assert "passkey" in used(report, "guardian-1").reason.en


async def test_the_reserved_place_is_large_enough_for_the_largest(tmp_path: Path) -> None:
    made = await contract_with(tmp_path, {})
    chain, pki = made.signers["guardian-1"].chain, made.pki
    largest = Assertion(bytes(MAX_AUTHENTICATOR_DATA_BYTES), bytes(MAX_CLIENT_DATA_BYTES), bytes(MAX_SIGNATURE_BYTES))
    confirmation = packed(of_windows().public_key, largest)
    token = await pki.timestamps.timestamp(bytes(32))
    without = len(assembled(bytes(200), bytes(72), chain, token))
    assert without + len(confirmation) + 32 < RESERVED_HEX_DIGITS // 2 - 2048  # a long chain fits as well
