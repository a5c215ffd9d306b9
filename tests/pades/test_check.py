"""The final check accepts what the engine writes, and nothing else: other files, truncated ones, single bits, wrong
keys."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.documents.pades.check import check_finished_file
from hub.documents.pades.check_cms import OutsideProfile
from hub.documents.pades.source import read_plan
from hub.documents.pades.update import Update
from hub.documents.pades.written_revisions import FileIsWrong
from hub.tokens.softkey import SoftKey
from qianda.confirmation import packed
from qianda.verify import reasons
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import check_finished
from tests.pades.contracts import PROFILES, contract, fields_of
from tests.pades.expected import expected_of
from tests.pades.made import GUARDIAN, good, made_by, pki, plainly_expected, refused
from tests.passkeys.authenticator import Authenticator
from tests.signing_parts import SEAL, FinishedParts, expired_timestamps, sample_pdf

# ---- correct files


@pytest.mark.parametrize("profile", PROFILES)
def test_it_takes_what_the_engine_writes(profile: str) -> None:
    made = contract(profile, "own")
    time = check_finished_file(made.final, expected_of(made))
    assert abs(datetime.now(UTC) - time) < timedelta(hours=1)
    assert check_finished(made.final, fields_of(profile)) == []


@pytest.mark.parametrize("profile", PROFILES)
def test_it_leaves_what_pyhanko_wrote_to_the_full_check(profile: str) -> None:
    made = contract(profile, "pyhanko")
    with pytest.raises(OutsideProfile):
        check_finished_file(made.final, expected_of(made))


def test_a_passkeys_confirmation_is_the_one_that_was_stored() -> None:
    device, said = Authenticator(), list[bytes]()

    def confirm(attributes: bytes) -> bytes:
        said.append(packed(device.public_key, device.confirm(attributes)))
        return said[-1]

    made = made_by(pki(), confirmed={GUARDIAN: confirm})
    check_finished_file(made.final, expected_of(made, {GUARDIAN: said[0]}))
    assert "unsigned" in refused(made.final, expected_of(made))
    assert "unsigned" in refused(made.final, expected_of(made, {GUARDIAN: said[0] + b"\0"}))
    assert "unsigned" in refused(good().final, expected_of(good(), {GUARDIAN: said[0]}))


# ---- other files


def test_only_the_file_that_is_expected() -> None:
    made = good()
    right, (guardian, seal) = expected_of(made), expected_of(made).signatures
    other = made_by(pki())
    key = other.signers[GUARDIAN].certificate
    wrong = {
        "another issued file": replace(right, issued_sha256=hashlib.sha256(b"").hexdigest()),
        "a shorter issued file": replace(right, issued_length=right.issued_length - 1),
        "another person's certificate": replace(
            right, signatures=[replace(guardian, certificate=key), seal], certificates=right.certificates | {key}
        ),
        "another value": replace(right, signatures=[replace(guardian, value=seal.value), seal]),
        "another order": replace(right, signatures=[seal, guardian]),
        "one signer less": replace(right, signatures=[seal]),
        "one signer more": replace(right, signatures=[guardian, replace(guardian, field="student-1"), seal]),
        "an unknown certificate": replace(right, certificates=frozenset([seal.certificate])),
    }
    check_finished_file(made.final, right)
    for expected in wrong.values():
        refused(made.final, expected)


def test_a_timestamp_by_a_service_that_is_not_configured_is_left_to_the_full_check() -> None:
    """The service may have changed since the first signature, its authority may be the configured one, or its tokens
    may contain certificates."""
    right = expected_of(good())
    for known in (frozenset[bytes](), frozenset([right.signatures[-1].certificate])):
        with pytest.raises(OutsideProfile):
            check_finished_file(good().final, replace(right, timestamp_certificates=known))


ENDS: dict[str, Callable[[FinishedParts], bytes]] = {
    "nothing": lambda made: b"",
    "no PDF": lambda made: b"x" * 300_000,
    "the issued file alone": lambda made: made.revisions["unsigned"],
    "signed alone": lambda made: made.revisions[f"{GUARDIAN}-signed"],
    "with evidence alone": lambda made: made.revisions[f"{GUARDIAN}-validated"],
    "sealed alone": lambda made: made.revisions["seal-signed"],
    "a line more": lambda made: made.final + b"\n",
    "a byte less": lambda made: made.final[:-1],
    "a revision more": lambda made: made.final + added(made.final),
    "the end twice": lambda made: made.final + made.final[-40:],
    "digits in upper case": lambda made: upper_case(made.final),
    "twice": lambda made: made.final + made.final,
}


def added(file: bytes) -> bytes:
    update = Update(read_plan(file))
    update.add(b"<</X 1>>")
    return update.finish()[0]


def upper_case(file: bytes) -> bytes:
    at = list(re.finditer(rb"<[0-9a-f]{1000,}>", file))[-1]
    return file[: at.start()] + at[0].upper() + file[at.end() :]


@pytest.mark.parametrize("end", ENDS)
def test_a_file_that_ends_otherwise(end: str) -> None:
    refused(ENDS[end](good()), expected_of(good()))


# ---- cryptography


class _OverOtherBytes:
    """A timestamp authority with a wrong imprint in one token. `only`: the index of that answer, from 0."""

    def __init__(self, inner: object, only: int) -> None:
        self._inner, self._only, self._count = inner, only, -1
        self.certificates = inner.certificates  # type: ignore[attr-defined]

    async def timestamp(self, digest: bytes) -> bytes:
        self._count += 1
        asked = hashlib.sha256(digest).digest() if self._count == self._only else digest
        token: bytes = await self._inner.timestamp(asked)  # type: ignore[attr-defined]
        return token


@pytest.mark.parametrize("which", [0, 1, 2], ids=["of the signer", "of the seal", "of the file"])
def test_a_timestamp_over_something_else(which: int) -> None:
    made = made_by(replace(pki(), timestamps=_OverOtherBytes(pki().timestamps, which)))  # type: ignore[arg-type]
    assert refused(made.final, plainly_expected(made)) == "a timestamp over something else"


def test_a_timestamp_service_whose_certificate_had_run_out() -> None:
    made = made_by(replace(pki(), timestamps=asyncio.run(expired_timestamps(pki()))))
    assert "not valid at its time" in refused(made.final, plainly_expected(made))
    found = check_finished(made.final, [GUARDIAN, SEAL])
    assert {(one.element, one.reason) for one in found} == {(Element.TIME, reasons.TIME_UNTRUSTED)}


def test_a_signer_whose_certificate_had_run_out() -> None:
    made = made_by(pki(), expired=True)
    assert "not valid at the time" in refused(made.final, plainly_expected(made))


def test_a_seal_by_another_key() -> None:
    stranger = SoftKey.generate(SEAL)
    made = made_by(replace(pki(), seal_key=stranger))
    assert refused(made.final, plainly_expected(made)) == "the value does not fit"


def test_a_seal_with_a_signers_certificate() -> None:
    made = good()
    right = expected_of(made)
    guardian, seal = right.signatures
    same = replace(right, signatures=[guardian, replace(seal, certificate=guardian.certificate)])
    assert "seal" in refused(made.final, same)


def test_a_reference_to_what_could_come_later() -> None:
    """A later revision with an object of that number would change the page."""
    ground = sample_pdf().replace(b"/Font << /F1 5 0 R >>", b"/Font << /F1 7 0 R >>")
    made = made_by(pki(), document=ground)
    check_finished_file(made.final, plainly_expected(made))  # fields are 7 and up: it exists by then
    ground = sample_pdf().replace(b"/F1 5 0 R >>", b"/F1 40 0 R>>")
    made = made_by(pki(), document=ground)
    assert "refers to what is not there" in refused(made.final, plainly_expected(made))


# ---- one bit anywhere


@pytest.mark.parametrize("step", [97, pytest.param(13, marks=pytest.mark.real)])
def test_not_one_bit_can_be_changed(step: int) -> None:
    """In the issued file, a few bytes; behind it, one byte of each `step`."""
    made = contract("one signer, RSA, pictures", "own")
    expected, pdf, rng = expected_of(made), bytearray(made.final), random.Random(1)
    behind = expected.issued_length
    places = [rng.randrange(behind) for _ in range(50)] + list(range(behind, len(pdf), step))
    taken = []
    for place in places:
        bit = 1 << rng.randrange(8)
        pdf[place] ^= bit
        try:
            check_finished_file(bytes(pdf), expected)
            taken.append(place)
        except (FileIsWrong, OutsideProfile):
            pass
        pdf[place] ^= bit
    assert taken == []
    check_finished_file(bytes(pdf), expected)
