"""The final check takes what the engine writes, and nothing else: files of an insider, cut ones, and single bits."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import cms

from hub.documents.pades import steps
from hub.documents.pades.check import Expected, ExpectedSignature, check_finished_file
from hub.documents.pades.check_cms import OutsideProfile
from hub.documents.pades.source import Plan, read_plan
from hub.documents.pades.update import Update, dictionary, references, stream
from hub.documents.pades.written import FileIsWrong
from hub.documents.stamps import SignerStamp, signature_stamp
from hub.tokens.softkey import SoftKey
from qianda.confirmation import packed
from qianda.verify.structure import check_finished
from tests.pades.contracts import PROFILES, contract, fields_of
from tests.pades.expected import expected_of
from tests.passkeys.authenticator import Authenticator
from tests.pdf_steps import OWN_ALONE
from tests.signing_parts import SEAL, FinishedParts, Pki, finished_contract, sample_pdf

GUARDIAN = "guardian-1"
SIGNING, EVIDENCE, SEALING, CLOSING = range(1, 5)  # the updates of a contract's life; 0: its fields
Put = Callable[[Update, int, bytes], bytes]
More = Callable[[Update], None]


def run(work: Callable[[], object]) -> FinishedParts:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work()).result()  # type: ignore[arg-type]


@cache
def pki() -> Pki:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, Pki.make()).result()


def picture() -> bytes:
    return signature_stamp(SignerStamp("王小明", None, "2026-12-01", "zh"), (150.0, 60.0))


def made_by(pki_used: Pki, **more: object) -> FinishedParts:
    folder = Path(tempfile.mkdtemp(prefix="pades-"))
    return run(
        lambda: finished_contract(
            folder,
            pki=pki_used,
            appearances={GUARDIAN: picture()},
            engine=OWN_ALONE,
            **more,  # type: ignore[arg-type]
        )
    )


@cache
def good() -> FinishedParts:
    return made_by(pki())


def refused(file: bytes, expected: Expected) -> str:
    with pytest.raises(FileIsWrong) as raised:
        check_finished_file(file, expected)
    return str(raised.value)


# ---- what is right


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


# ---- files that are something else


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
        "another timestamp authority": replace(right, timestamp_certificates=frozenset([seal.certificate])),
        "an unknown certificate": replace(right, certificates=frozenset([seal.certificate])),
    }
    check_finished_file(made.final, right)
    for expected in wrong.values():
        refused(made.final, expected)


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


# ---- files of an insider: one update is written otherwise, and all the rest is in order


@dataclass(frozen=True)
class Forgery:
    """`more` writes further objects into the update, `put` changes the bytes of objects that it writes."""

    step: int
    more: More | None = None
    put: Put | None = None


class _Insider:
    """Stands in place of `Update`: counts the updates of a contract's life."""

    def __init__(self, forgery: Forgery) -> None:
        self.forgery, self.step = forgery, -1
        self.done = False

    def __call__(self, plan: Plan) -> Update:
        self.step += 1
        return _Forged(plan, self) if self.step == self.forgery.step else Update(plan)


class _Forged(Update):
    def __init__(self, plan: Plan, insider: _Insider) -> None:
        super().__init__(plan)
        self.insider = insider

    def put(self, number: int, body: bytes) -> int:
        change = self.insider.forgery.put
        changed = change(self, number, body) if change else body
        self.insider.done |= changed != body
        return super().put(number, changed)

    def finish(self) -> tuple[bytes, Plan]:
        if self.insider.forgery.more is not None:
            self.insider.forgery.more(self)
            self.insider.done = True
        return super().finish()


def page_replaced(update: Update) -> None:
    page = next(iter(update.plan.pages.values()))
    text = update.add(stream(b"BT ET"))
    update.put(page.number, dictionary(page.entries | {"/Contents": f"{text} 0 R"}))


def text_replaced(update: Update) -> None:
    update.put(4, stream(b"BT ET"))


def catalog_acts(update: Update) -> None:
    update.put(update.plan.root, dictionary(update.plan.catalog | {"/OpenAction": "[3 0 R /Fit]"}))


def form_wants_pictures(update: Update) -> None:
    update.put(update.plan.form, dictionary(update.plan.form_entries | {"/NeedAppearances": "true"}))


def field_moved(update: Update) -> None:
    field = update.plan.signatures[GUARDIAN]
    update.put(field.number, dictionary(field.entries | {"/Rect": "[0 0 500 700]"}))


def picture_replaced(update: Update) -> None:
    field = update.plan.signatures[GUARDIAN]
    shown = update.add(stream(b"", {"/Type": "/XObject", "/Subtype": "/Form", "/BBox": "[0 0 9 9]"}))
    update.put(field.number, dictionary(field.entries | {"/AP": f"<</N {shown} 0 R>>"}))


def note_on_the_page(update: Update) -> None:
    page = next(iter(update.plan.pages.values()))
    note = update.add(b"<</Type /Annot/Subtype /FreeText/Rect [0 0 100 100]/Contents (x)>>")
    update.put(page.list_number, f"[{' '.join((*page.annotations, f'{note} 0 R'))}]".encode())


def field_more(update: Update) -> None:
    field = update.add(b"<</FT /Tx/T (amount)/V (1)>>")
    numbers = [*update.plan.fields, field]
    entries = update.plan.form_entries | {"/Fields": references(numbers)}
    update.put(update.plan.form, dictionary(entries))


def information_replaced(update: Update) -> None:
    update.put(6, b"<</Font <</F1 5 0 R>>/X 1>>")


def lone_object(update: Update) -> None:
    update.add(b"<</Type /Page>>")


def named(update: Update, number: int, body: bytes) -> bytes:
    """As long as before: the byte range is written later, at its place."""
    return re.sub(rb"/M \(D:\d{14}Z\)", b"/Name (" + b"x" * 14 + b")", body)


def nobodys_name(update: Update, number: int, body: bytes) -> bytes:
    return re.sub(rb"/[0-9A-F]{40} ", b"/" + b"0" * 40 + b" ", body, count=1)


def a_matrix(update: Update, number: int, body: bytes) -> bytes:
    return body.replace(b"/BBox [0 0 150 60]\n", b"/BBox [0 0 150 60]\n/Matrix [9 0 0 9 0 0]\n")


def changing(old: bytes, new: bytes) -> Put:
    return lambda update, number, body: body.replace(old, new)


OBJECTS = [
    page_replaced, text_replaced, catalog_acts, form_wants_pictures, field_moved, picture_replaced, note_on_the_page,
    field_more, information_replaced,
]  # fmt: skip
STEPS = (SIGNING, EVIDENCE, SEALING, CLOSING)
OF_SIGNED = (field_moved, picture_replaced)  # need a field that is signed already
ALTERED: dict[str, Forgery] = {
    "a certification that lets fields be filled": Forgery(SIGNING, put=changing(b"/P 2>>", b"/P 3>>")),
    "no certification": Forgery(SIGNING, put=changing(b"/TransformMethod /DocMDP", b"/TransformMethod /DocMDQ")),
    "catalog: another entry": Forgery(SIGNING, put=changing(b"/Perms <<", b"/OpenAction [3 0 R /Fit]\n/Perms <<")),
    "catalog: usage rights": Forgery(SIGNING, put=changing(b"/Perms <</DocMDP", b"/Perms <</UR3 9 0 R/DocMDP")),
    "catalog: another store": Forgery(EVIDENCE, put=changing(b"/DSS ", b"/DSS 9 0 R/X ")),
    "field: another entry": Forgery(SIGNING, put=changing(b"/FT /Sig", b"/FF 1\n/FT /Sig")),
    "field: two appearances": Forgery(SIGNING, put=changing(b"/AP <</N ", b"/AP <</D 9 0 R/N ")),
    "field: its value elsewhere": Forgery(SEALING, put=changing(b"/T (seal)", b"/T (sael)")),
    "picture: other bounds": Forgery(SIGNING, put=changing(b"/BBox [0 0 150 60]", b"/BBox [0 0 600 850]")),
    "picture: a matrix": Forgery(SIGNING, put=a_matrix),
    "picture: not cut off": Forgery(SIGNING, put=changing(b"/Stamp Do Q", b"/Stamp Do q")),
    "picture: draws the page's text": Forgery(SIGNING, put=changing(b"<</Stamp ", b"<</T 4 0 R/Stamp ")),
    "value: another filter": Forgery(SIGNING, put=changing(b"/Adobe.PPKLite", b"/Adobe.PPKMS  ")),
    "value: another format": Forgery(SIGNING, put=changing(b"/ETSI.CAdES.detached", b"/adbe.pkcs7.detached")),
    "value: more entries": Forgery(SIGNING, put=named),
    "seal: no lock": Forgery(SEALING, put=changing(b"/P 1>>>>]", b"/P 2>>>>]")),
    "store: another entry": Forgery(EVIDENCE, put=changing(b"/VRI <<", b"/X 3 0 R\n/VRI <<")),
    "store: another object": Forgery(EVIDENCE, put=changing(b"/Certs [", b"/Certs [4 0 R ")),
    "store: VRI of nobody": Forgery(CLOSING, put=nobodys_name),
    "timestamp: shows": Forgery(CLOSING, put=changing(b"/Rect [0 0 0 0]", b"/Rect [0 0 90 90]")),
    "timestamp: another name": Forgery(CLOSING, put=changing(b"(document-timestamp)", b"(document-timestamq)")),
    "timestamp: form says less": Forgery(CLOSING, put=changing(b"/SigFlags 3", b"/SigFlags 1")),
    "timestamp: a signature in its place": Forgery(CLOSING, put=changing(b"/DocTimeStamp", b"/Sig         ")),
    "timestamp: a field fewer": Forgery(CLOSING, put=changing(b"/Fields [", b"/Fields [null ")),
}  # fmt: skip


@pytest.fixture
def forged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Forgery], FinishedParts]:
    def make(forgery: Forgery) -> FinishedParts:
        insider = _Insider(forgery)
        monkeypatch.setattr(steps, "Update", insider)
        made = made_by(pki())
        monkeypatch.setattr(steps, "Update", Update)
        assert insider.done, "the forgery was not made"
        return made

    return make


@pytest.mark.parametrize(
    ("change", "step"),
    [(change, step) for change in OBJECTS for step in STEPS if step != SIGNING or change not in OF_SIGNED],
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_an_object_replaced_in_any_revision(
    forged: Callable[[Forgery], FinishedParts], change: More, step: int
) -> None:
    made = forged(Forgery(step, more=change))
    refused(made.final, plainly_expected(made))


@pytest.mark.parametrize("name", ALTERED)
def test_an_object_written_otherwise(forged: Callable[[Forgery], FinishedParts], name: str) -> None:
    made = forged(ALTERED[name])
    refused(made.final, plainly_expected(made))


@pytest.mark.parametrize("step", [EVIDENCE, CLOSING])
def test_an_object_too_many(forged: Callable[[Forgery], FinishedParts], step: int) -> None:
    made = forged(Forgery(step, more=lone_object))
    refused(made.final, plainly_expected(made))


def test_the_control_of_the_forgeries(forged: Callable[[Forgery], FinishedParts]) -> None:
    """The same way, with a change that changes nothing: a time, which nobody checks, but the file is another one."""
    made = forged(Forgery(SIGNING, put=lambda u, n, body: re.sub(rb"/M \(D:2", b"/M (D:3", body)))
    check_finished_file(made.final, plainly_expected(made))


def plainly_expected(made: FinishedParts) -> Expected:
    """The values are read from the bytes, also where a reader would not find the field any more."""
    chains = {name: issued.chain for name, issued in made.signers.items()} | {SEAL: made.pki.seal.chain}
    values = []
    for digits in re.findall(rb"<([0-9a-f]{16384})>", made.final)[: len(chains)]:
        contents = bytes.fromhex(digits.decode())
        values.append(cms.ContentInfo.load(contents)["content"]["signer_infos"][0]["signature"].native)
    signatures = [
        ExpectedSignature(name, chain[0], value) for (name, chain), value in zip(chains.items(), values, strict=True)
    ]
    return Expected(
        hashlib.sha256(made.revisions["unsigned"]).hexdigest(),
        len(made.revisions["unsigned"]),
        signatures,
        frozenset(each for chain in chains.values() for each in chain),
        frozenset(made.pki.timestamps.certificates),
    )


# ---- cryptography


class _OverOtherBytes:
    """A timestamp authority whose tokens are over something else; `only`: the which-th of its answers."""

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
    """The object would come to life with the first revision that has its number."""
    ground = sample_pdf().replace(b"/Font << /F1 5 0 R >>", b"/Font << /F1 7 0 R >>")
    made = made_by(pki(), document=ground)
    check_finished_file(made.final, plainly_expected(made))  # the fields are number 7 and up: it is there when shown
    ground = sample_pdf().replace(b"/F1 5 0 R >>", b"/F1 40 0 R>>")
    made = made_by(pki(), document=ground)
    assert "refers to what is not there" in refused(made.final, plainly_expected(made))


# ---- one bit anywhere


def test_not_one_bit_can_be_changed() -> None:
    made = contract("one signer, RSA, pictures", "own")
    expected, pdf, rng = expected_of(made), bytearray(made.final), random.Random(1)
    behind = expected.issued_length
    places = [rng.randrange(behind) for _ in range(50)] + list(range(behind, len(pdf), 41))
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
