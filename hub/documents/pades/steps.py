"""Write the revisions in a contract's life: fields, the place for a signature, evidence, the place for a document
timestamp.

Each step takes the plan of the present file, and returns the bytes to append and the next plan. No step reads the file;
it is only hashed. The steps write the form of `docs/file-format.md` and nothing else.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.content_hash import Sha256State
from hub.documents.pades.picture import MULTIPLIED, Picture
from hub.documents.pades.plan import CannotUpdate, Entries, FieldPlan, PagePlan, Plan, SignedValue, StorePlan
from hub.documents.pades.update import Update, dictionary, format_date, looks_like_structure, references, stream
from hub.documents.signing.signature import RESERVED_HEX_DIGITS, TIMESTAMP_FIELD, Evidence, FieldBox, NewSignature
from hub.errors import WrongDocument

_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
# PAdES in a PDF 1.7 (ETSI EN 319 142-1, 5.1).
_EXTENSION: Final = "<</ESIC <</BaseVersion /1.7\n/ExtensionLevel 1\n/Type /DeveloperExtensions>>>>"
CERTIFICATION: Final = (
    "[<</Type /SigRef\n/TransformMethod /DocMDP\n/TransformParams <</Type /TransformParams\n/V /1.2\n/P 2>>>>]"
)
_FIELD_LOCK: Final = b"<</Type /SigFieldLock\n/Action /All\n/P 1>>"
WIDGET: Final = {"/FT": "/Sig", "/Type": "/Annot", "/Subtype": "/Widget", "/F": "132"}  # printed, locked
SIGNATURES_EXIST_APPEND_ONLY: Final = "3"
_BYTE_RANGE_LENGTH: Final = 60  # room for the four numbers
_LISTS: Final = {"/Certs": "/Cert", "/CRLs": "/CRL", "/OCSPs": "/OCSP"}  # names in the store, and in an entry of /VRI


@dataclass(frozen=True)
class SigningDetails:
    """`at`: the signing time that the file claims; `digits`: hexadecimal digits reserved for the signature."""

    at: datetime
    picture: Picture | None = None
    digits: int = RESERVED_HEX_DIGITS


@dataclass(frozen=True)
class Reserved:
    """A revision with an empty place for a signature or a timestamp.

    `gap`: from the `<` of the place to after its `>`, in the whole file; `digest`: SHA-256 over everything but the gap.
    """

    appended: bytes
    gap: tuple[int, int]
    digest: bytes
    plan: Plan


def add_fields(plan: Plan, boxes: Sequence[FieldBox]) -> tuple[bytes, Plan]:
    """Write empty signature fields. Raises CannotUpdate, and WrongDocument if somebody has signed already."""
    if plan.signed:
        raise WrongDocument("the file is signed: no field can be added")
    update, signatures, page_of = Update(plan), dict(plan.signatures), dict[int, list[int]]()
    for box in boxes:
        if not _FIELD_NAME.fullmatch(box.name) or box.name in signatures:
            raise CannotUpdate(f"a field cannot be called {box.name!r}")
        page = plan.page_order[box.page]
        field = _empty_field(update, box, page)
        signatures[box.name] = field
        page_of.setdefault(page, []).append(field.number)
    pages = dict(plan.pages)
    for page, numbers in page_of.items():
        pages[page] = show_on_page(update, pages[page], numbers)
    new = [signatures[box.name].number for box in boxes]
    form, form_entries = list_in_form(update, plan, new)
    catalog = with_extension(plan.catalog) | {"/AcroForm": f"{form} 0 R"}
    if catalog != plan.catalog:
        update.put(plan.root, dictionary(catalog))
    data, after = update.finish()
    fields = (*plan.fields, *new)
    return data, after._replace(
        catalog=catalog, form=form, form_entries=form_entries, fields=fields, signatures=signatures, pages=pages
    )


def reserve_signature(hashed: Sha256State, plan: Plan, signature: NewSignature, details: SigningDetails) -> Reserved:
    """Write the place for a signature. `hashed`: SHA-256 after the file's last byte; it is not changed. Raises
    CannotUpdate, and WrongDocument for a field that is signed or a file that is locked."""
    field = plan.signatures.get(signature.field)
    if field is None:
        raise CannotUpdate(f"there is no field {signature.field!r}")
    if field.value is not None or any(each.value and each.value.locks_all for each in plan.signatures.values()):
        raise WrongDocument(f"the field {signature.field!r} cannot be signed: it is signed, or the file is locked")
    if signature.certify and plan.signed:
        raise WrongDocument("only the first signature can certify the file")
    update = Update(plan)
    value = {"/Type": "/Sig", "/Filter": "/Adobe.PPKLite", "/SubFilter": "/ETSI.CAdES.detached"}
    value |= {"/M": format_date(details.at)} | _limits(plan, field, signature)
    number, place = put_value(update, value, details.digits)
    entries = field.entries | {"/V": f"{number} 0 R"}
    if details.picture is not None:
        entries["/AP"] = f"<</N {_put_appearance(update, field.entries['/Rect'], details.picture)} 0 R>>"
    update.put(field.number, dictionary(entries))
    catalog = with_extension(plan.catalog)
    if signature.certify:
        catalog = catalog | {"/Perms": f"<</DocMDP {number} 0 R>>"}
    if catalog != plan.catalog:
        update.put(plan.root, dictionary(catalog))
    data, after = update.finish()
    signed = SignedValue(number, after.length, "", "/Lock" in field.entries, is_timestamp=False)
    signatures = plan.signatures | {signature.field: FieldPlan(field.number, entries, field.page, signed)}
    return reserve_place(hashed, data, (place, details.digits), after._replace(catalog=catalog, signatures=signatures))


def add_evidence(plan: Plan, field: str, evidence: Evidence) -> tuple[bytes, Plan]:
    """Write the evidence for the signature in `field`. Raises WrongDocument if the field is not signed."""
    signed = plan.signatures.get(field)
    if signed is None or signed.value is None:
        raise WrongDocument(f"the field {field!r} is not signed")
    update = Update(plan)
    catalog, store = _put_evidence(update, plan, signed.value.vri, evidence)
    data, after = update.finish()
    return data, after._replace(catalog=catalog, store=store)


def reserve_timestamp(hashed: Sha256State, plan: Plan, evidence: Evidence, called: str = TIMESTAMP_FIELD) -> Reserved:
    """Write the evidence for the last signature and the place for a document timestamp, in one revision, because the
    seal allows no other changes. `hashed`: as in `reserve_signature`; `called`: the timestamp's field. Raises
    CannotUpdate, and WrongDocument if nobody has signed."""
    signed = [each for each in plan.signed if each.value and not each.value.is_timestamp]
    if not signed or signed[-1].value is None:
        raise WrongDocument("the file has no signature to close")
    if called in plan.signatures:
        raise CannotUpdate("it has a document timestamp")
    if not plan.form:
        raise CannotUpdate("its form is in the catalog itself")
    update = Update(plan)
    catalog, store = _put_evidence(update, plan, signed[-1].value.vri, evidence)
    value = {"/Type": "/DocTimeStamp", "/Filter": "/Adobe.PPKLite", "/SubFilter": "/ETSI.RFC3161"}
    number, place = put_value(update, value, RESERVED_HEX_DIGITS)
    page = signed[-1].page
    if page not in plan.pages:
        raise CannotUpdate("the last signature is not shown on any page")
    entries = WIDGET | {"/T": f"({called})", "/Rect": "[0 0 0 0]", "/P": f"{page} 0 R", "/V": f"{number} 0 R"}
    field = update.add(dictionary(entries))
    pages = plan.pages | {page: show_on_page(update, plan.pages[page], [field], keep=True)}
    _, form_entries = list_in_form(update, plan, [field])
    data, after = update.finish()
    stamp = SignedValue(number, after.length, "", locks_all=False, is_timestamp=True)
    signatures = plan.signatures | {called: FieldPlan(field, entries, page, stamp)}
    after = after._replace(catalog=catalog, store=store, pages=pages, form_entries=form_entries, signatures=signatures)
    room = (place, RESERVED_HEX_DIGITS)
    return reserve_place(hashed, data, room, after._replace(fields=(*plan.fields, field)))


# ---- parts


def _empty_field(update: Update, box: FieldBox, page: int) -> FieldPlan:
    left, bottom, right, top = round(box.x1), round(box.y1), round(box.x2), round(box.y2)
    bounds = f"[0 0 {right - left} {top - bottom}]"
    # PDF/A requires an appearance for every field that is shown.
    empty = {"/Type": "/XObject", "/Subtype": "/Form", "/BBox": bounds, "/Resources": "<<>>"}
    entries = WIDGET | {
        "/T": f"({box.name})",
        "/Rect": f"[{left} {bottom} {right} {top}]",
        "/P": f"{page} 0 R",
        "/AP": f"<</N {update.add(stream(b'', empty))} 0 R>>",
    }
    if box.seal:
        entries["/Lock"] = f"{update.add(_FIELD_LOCK)} 0 R"
    return FieldPlan(update.add(dictionary(entries)), entries, page)


def show_on_page(update: Update, page: PagePlan, fields: Sequence[int], *, keep: bool = False) -> PagePlan:
    """Add fields to the page's annotations. `keep`: a list inside the page stays there; otherwise it becomes an object
    of its own, so that a later revision need not replace the page."""
    annotations = (*page.annotations, *(f"{number} 0 R" for number in fields))
    text, list_number = f"[{' '.join(annotations)}]", page.list_number
    if list_number == 0 and not keep:
        list_number = update.number()
    if list_number:
        update.put(list_number, text.encode("latin-1"))
    shown = f"{list_number} 0 R" if list_number else text
    entries = page.entries | {"/Annots": shown}
    if entries != page.entries:
        update.put(page.number, dictionary(entries))
    return PagePlan(page.number, entries, annotations, list_number, page.frame)


def list_in_form(update: Update, plan: Plan, new: Sequence[int]) -> tuple[int, Entries]:
    number = plan.form or update.number()
    entries = plan.form_entries | {
        "/Fields": references((*plan.fields, *new)),
        "/SigFlags": SIGNATURES_EXIST_APPEND_ONLY,
    }
    update.put(number, dictionary(entries))
    return number, entries


def with_extension(catalog: Entries) -> Entries:
    """Return the catalog for a signed file."""
    return (
        catalog
        if "/Extensions" in catalog or catalog.get("/Version") == "/2.0"
        else catalog | {"/Extensions": _EXTENSION}
    )


def _limits(plan: Plan, field: FieldPlan, signature: NewSignature) -> Entries:
    """Return what the signature allows from now on: a certification only other signatures, a locking field nothing."""
    limits = []
    if signature.certify:
        limits.append(CERTIFICATION[1:-1])
    if "/Lock" in field.entries:
        limits.append(field_lock(plan.root)[1:-1])
    return {"/Reference": f"[{' '.join(limits)}]"} if limits else {}


def field_lock(root: int) -> str:
    """Return the /Reference of a signature whose field locks everything."""
    return (
        f"[<</Type /SigRef\n/TransformMethod /FieldMDP\n/Data {root} 0 R\n"
        "/TransformParams <</Type /TransformParams\n/V /1.2\n/Action /All\n/P 1>>>>]"
    )


def put_value(update: Update, entries: Mapping[str, str], digits: int) -> tuple[int, int]:
    """Write a signature's value with an empty place. Return its number, and the offset of its byte range."""
    number = update.number()
    head = dictionary(entries).removesuffix(b">>") + b"\n/ByteRange "
    head_and_place = head + b" " * _BYTE_RANGE_LENGTH + b"/Contents <"
    return number, update.put(number, head_and_place, b"0" * digits + b">>>") + len(head)


def _put_appearance(update: Update, rect: str, picture: Picture) -> int:
    try:
        left, bottom, right, top = (float(part) for part in rect.strip("[] \n").split())
    except ValueError as error:
        raise CannotUpdate("the field's place is not written in the field") from error
    width, height = abs(right - left), abs(top - bottom)
    if not width or not height:
        raise CannotUpdate("the field has no room for a picture")
    form = picture.write(update)
    scale = f"{width / picture.width:.5f} 0 0 {height / picture.height:.5f}"
    entries = {"/Type": "/XObject", "/Subtype": "/Form", "/BBox": f"[0 0 {width:g} {height:g}]"}
    entries["/Resources"] = f"<<{MULTIPLIED}/XObject <</Stamp {form} 0 R>>>>"
    return update.add(stream(f"q /Multiply gs {scale} 0 0 cm /Stamp Do Q".encode("ascii"), entries))


def _put_evidence(update: Update, plan: Plan, vri: str, evidence: Evidence) -> tuple[Entries, StorePlan]:
    """Write the store with its new objects, and a separate entry (/VRI) for one signature."""
    old = plan.store or StorePlan(0, {}, {}, {})
    known, lists, entry = dict(old.known), dict(old.lists), {"/Type": "/VRI"}
    values = zip(_LISTS.items(), (evidence.certificates, evidence.crls, evidence.answers), strict=True)
    for (name, singular), items in values:
        numbers = dict.fromkeys(_put_once(update, known, item) for item in items)
        lists[name] = tuple(dict.fromkeys((*lists.get(name, ()), *numbers)))
        if numbers:
            entry[singular] = references(tuple(numbers))
    all_vri = old.vri | {f"/{vri}": f"{update.add(dictionary(entry))} 0 R"}
    number = old.number or update.number()
    written = {name: references(numbers) for name, numbers in lists.items() if numbers}
    update.put(number, dictionary(written | {"/VRI": dictionary(all_vri).decode("latin-1")}))
    catalog = plan.catalog | {"/DSS": f"{number} 0 R"}
    if catalog != plan.catalog:
        update.put(plan.root, dictionary(catalog))
    return catalog, StorePlan(number, lists, all_vri, known)


def _put_once(update: Update, known: dict[str, int], value: bytes) -> int:
    name = hashlib.sha256(value).hexdigest()
    if name not in known:
        plain = not looks_like_structure(value)
        known[name] = update.add(stream(value) if plain else stream(zlib.compress(value), {"/Filter": "/FlateDecode"}))
    return known[name]


def reserve_place(hashed: Sha256State, data: bytes, room: tuple[int, int], plan: Plan) -> Reserved:
    """Write the byte range, and hash the bytes that it covers. `room`: the offset of the range in the file, and how
    many digits are reserved after it."""
    place, digits = room
    start = place + _BYTE_RANGE_LENGTH + len("/Contents ")
    end = start + digits + 2
    numbers = b"[0 %d %d %d]" % (start, end, plan.length - end)
    before = plan.length - len(data)
    at = place - before
    appended = data[:at] + numbers.ljust(_BYTE_RANGE_LENGTH) + data[at + _BYTE_RANGE_LENGTH :]
    digest = hashed.copy()
    digest.update(appended[: start - before])
    digest.update(appended[end - before :])
    return Reserved(appended, (start, end), digest.digest(), plan)
