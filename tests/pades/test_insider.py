"""The final check against an insider: one update is written differently, and everything else is in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hub.documents.pades import steps, update
from hub.documents.pades.check import check_finished_file
from hub.documents.pades.plan import Plan
from hub.documents.pades.update import Update, dictionary, references, stream
from tests.pades.made import GUARDIAN, made_by, pki, plainly_expected, refused
from tests.signing_parts import FinishedParts

SIGNING, EVIDENCE, SEALING, CLOSING = range(1, 5)  # the updates of a contract's life; 0: its fields
Put = Callable[[Update, int, bytes], bytes]
More = Callable[[Update], None]


@dataclass(frozen=True)
class Forgery:
    """A forged update. `more` writes further objects into it, `put` changes the bytes of objects that it writes."""

    step: int
    more: More | None = None
    put: Put | None = None


class _Insider:
    """Takes the place of `Update`, and counts the updates of a contract's life."""

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

    def put(self, number: int, body: bytes, digits: bytes = b"") -> int:
        change, whole = self.insider.forgery.put, body + digits
        changed = change(self, number, whole) if change else whole
        self.insider.done |= changed != whole
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


def hidden_object(update: Update) -> None:
    update.add(stream(b"x endobj 7 0 obj y"))


def named(update: Update, number: int, body: bytes) -> bytes:
    """Replace the time by a name of the same length, because the byte range is written later, at its place."""
    return re.sub(rb"/M \(D:\d{14}Z\)", b"/Name (" + b"x" * 14 + b")", body)


def nobodys_name(update: Update, number: int, body: bytes) -> bytes:
    return re.sub(rb"/[0-9A-F]{40} ", b"/" + b"0" * 40 + b" ", body, count=1)


def a_matrix(update: Update, number: int, body: bytes) -> bytes:
    return body.replace(b"/BBox [0 0 150 60]\n", b"/BBox [0 0 150 60]\n/Matrix [9 0 0 9 0 0]\n")


def other_references(update: Update, number: int, body: bytes) -> bytes:
    """Have a picture's own form name the page's text, in a way that only some readers take for a reference."""
    is_drawn = b"/Subtype /Form" in body and b"/Stamp" not in body
    return body.replace(b"/Resources <<", b"/Resources <</Z 4\n0\nR ", 1) if is_drawn else body


def in_a_layer(update: Update, number: int, body: bytes) -> bytes:
    return body if b"/Stamp" in body else body.replace(b"/Subtype /Form", b"/OC <</Type /OCG>>/Subtype /Form")


def two_lengths(update: Update, number: int, body: bytes) -> bytes:
    return re.sub(rb"(/Subtype /Form .*/Length) (\d+)", rb"\1 \2\1 3", body)


def replacing(pattern: bytes, new: bytes) -> Put:
    """Change the store, and what looks like it."""
    return lambda update, number, body: re.sub(pattern, new, body) if b"/VRI" in body else body


def list_of_nobody(update: Update, number: int, body: bytes) -> bytes:
    """Replace most of the list, which is the evidence that is no certificate."""
    known = (pki().authority.root, *pki().timestamps.certificates)
    is_list = body.startswith(b"<</Length") and not any(each in body for each in known)
    return body[:60] + bytes(len(body) - 70) + body[-10:] if is_list else body


def changing(old: bytes, new: bytes) -> Put:
    return lambda update, number, body: body.replace(old, new)


OBJECTS = [
    page_replaced,
    text_replaced,
    catalog_acts,
    form_wants_pictures,
    field_moved,
    picture_replaced,
    note_on_the_page,
    field_more,
    information_replaced,
]
STEPS = (SIGNING, EVIDENCE, SEALING, CLOSING)
OF_SIGNED = (field_moved, picture_replaced)  # these need a field that is signed already
ALTERED: dict[str, Forgery] = {
    "a certification that lets fields be filled": Forgery(SIGNING, put=changing(b"/P 2>>", b"/P 3>>")),
    "no certification": Forgery(SIGNING, put=changing(b"/TransformMethod /DocMDP", b"/TransformMethod /DocMDQ")),
    "catalog: another entry": Forgery(SIGNING, put=changing(b"/Perms <<", b"/OpenAction [3 0 R /Fit]\n/Perms <<")),
    "catalog: usage rights": Forgery(SIGNING, put=changing(b"/Perms <</DocMDP", b"/Perms <</UR3 9 0 R/DocMDP")),
    "catalog: another store": Forgery(EVIDENCE, put=changing(b"/DSS ", b"/DSS 9 0 R/X ")),
    "field: another entry": Forgery(SIGNING, put=changing(b"/FT /Sig", b"/FF 1\n/FT /Sig")),
    "field: a space in its name": Forgery(SIGNING, put=changing(b"(guardian-1)", b"( guardian-1)")),
    "field: a vertical tab for a space": Forgery(SIGNING, put=changing(b"/V ", b"/V\x0b")),
    "field: two appearances": Forgery(SIGNING, put=changing(b"/AP <</N ", b"/AP <</D 9 0 R/N ")),
    "field: its value elsewhere": Forgery(SEALING, put=changing(b"/T (seal)", b"/T (sael)")),
    "picture: other bounds": Forgery(SIGNING, put=changing(b"/BBox [0 0 150 60]", b"/BBox [0 0 600 850]")),
    "picture: a matrix": Forgery(SIGNING, put=a_matrix),
    "picture: not cut off": Forgery(SIGNING, put=changing(b"/Stamp Do Q", b"/Stamp Do q")),
    "picture: draws the page's text": Forgery(SIGNING, put=changing(b"<</Stamp ", b"<</T 4 0 R/Stamp ")),
    "picture: refers to other objects across lines": Forgery(SIGNING, put=other_references),
    "picture: in a layer": Forgery(SIGNING, put=in_a_layer),
    "picture: two lengths": Forgery(SIGNING, put=two_lengths),
    "value: another filter": Forgery(SIGNING, put=changing(b"/Adobe.PPKLite", b"/Adobe.PPKMS  ")),
    "value: another format": Forgery(SIGNING, put=changing(b"/ETSI.CAdES.detached", b"/adbe.pkcs7.detached")),
    "value: more entries": Forgery(SIGNING, put=named),
    "seal: no lock": Forgery(SEALING, put=changing(b"/P 1>>>>]", b"/P 2>>>>]")),
    "store: another entry": Forgery(EVIDENCE, put=changing(b"/VRI <<", b"/X 3 0 R\n/VRI <<")),
    "store: another object": Forgery(EVIDENCE, put=changing(b"/Certs [", b"/Certs [4 0 R ")),
    "store: nothing about revocation": Forgery(EVIDENCE, put=replacing(rb"/CRL \[[^\]]*\]\n", b"")),
    "store: without certificates that it had": Forgery(CLOSING, put=replacing(rb"/Certs? \[[^\]]*\]\n", b"")),
    "store: another generation": Forgery(EVIDENCE, put=replacing(rb"(/Certs \[\d+) 0", rb"\1 1")),
    "store: one signature twice": Forgery(EVIDENCE, put=replacing(rb"(/[0-9A-F]{40} \d+ 0 R)", rb"\1\1")),
    "store: VRI of another signature": Forgery(
        CLOSING, put=replacing(rb"(/[0-9A-F]{40}) (\d+)( 0 R\s/[0-9A-F]{40}) (\d+)", rb"\1 \4\3 \2")
    ),
    "store: VRI of other objects": Forgery(CLOSING, put=replacing(rb"/Cert \[", b"/Cert [4 0 R ")),
    "evidence: a list of nobody": Forgery(EVIDENCE, put=list_of_nobody),
    "evidence: another length": Forgery(EVIDENCE, put=changing(b"/Length ", b"/Length 1")),
    "store: VRI of nobody": Forgery(CLOSING, put=nobodys_name),
    "timestamp: shows": Forgery(CLOSING, put=changing(b"/Rect [0 0 0 0]", b"/Rect [0 0 90 90]")),
    "timestamp: a space in its name": Forgery(CLOSING, put=changing(b"-timestamp)", b"-timestamp )")),
    "timestamp: another name": Forgery(CLOSING, put=changing(b"(document-timestamp)", b"(document-timestamq)")),
    "timestamp: form says less": Forgery(CLOSING, put=changing(b"/SigFlags 3", b"/SigFlags 1")),
    "timestamp: a signature in its place": Forgery(CLOSING, put=changing(b"/DocTimeStamp", b"/Sig         ")),
    "timestamp: a field fewer": Forgery(CLOSING, put=changing(b"/Fields [", b"/Fields [null ")),
}


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


@pytest.mark.parametrize("step", [SIGNING, EVIDENCE, CLOSING])
def test_an_object_too_many(forged: Callable[[Forgery], FinishedParts], step: int) -> None:
    made = forged(Forgery(step, more=lone_object))
    refused(made.final, plainly_expected(made))


@pytest.mark.parametrize("step", [EVIDENCE, CLOSING])
def test_evidence_that_looks_like_an_object(
    forged: Callable[[Forgery], FinishedParts], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "looks_like_structure", lambda body: False)
    made = forged(Forgery(step, more=hidden_object))
    assert "looks like another object" in refused(made.final, plainly_expected(made))


@pytest.mark.parametrize("step", STEPS)
def test_bytes_between_two_objects(forged: Callable[[Forgery], FinishedParts], step: int) -> None:
    """A reader that searches the file could find them; the table does not list them."""

    def put_between(update: Update) -> None:
        update._parts.append(b"x\n")
        update._at += 2

    made = forged(Forgery(step, more=put_between))
    assert "not where the table says" in refused(made.final, plainly_expected(made))


def test_the_control_of_the_forgeries(forged: Callable[[Forgery], FinishedParts]) -> None:
    """The same method with a harmless change: a time, which nothing checks, although the file is a different one."""
    made = forged(Forgery(SIGNING, put=lambda u, n, body: re.sub(rb"/M \(D:2", b"/M (D:3", body)))
    check_finished_file(made.final, plainly_expected(made))
