"""Write a seal into a foreign file: its field, its pictures and the place for its signature, in one revision.

A signature field may be shown in one place only (ISO 32000-2, 12.7.5.5). If a seal is shown in several places (across
the pages, or at each occurrence of a keyword), the field has the first place. The others are stamp annotations, which
the same signature covers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub.content_hash import Sha256State
from hub.documents.pades.page_frame import MATRICES, Box, PageFrame
from hub.documents.pades.picture import MULTIPLIED, Picture
from hub.documents.pades.plan import CannotUpdate, Entries, FieldPlan, Plan, SignedValue
from hub.documents.pades.steps import (
    WIDGET,
    Reserved,
    SigningDetails,
    list_in_form,
    put_value,
    reserve_place,
    show_on_page,
    with_extension,
)
from hub.documents.pades.update import Update, dictionary, format_date, stream

_PRINTED_AND_LOCKED = "196"  # flags of an annotation: print, read-only, locked


@dataclass(frozen=True)
class SealMark:
    """Where a seal is shown: the page (counted from 0), and the place on the page as shown (left, top, width, height in
    points). `strip`: the part of the picture's width that is shown, from and to (0 to 1)."""

    page: int
    place: Box
    strip: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class SealToWrite:
    """A seal to be written. `field`: the name of a new field, or of an empty field in the file.

    `lock`: the /Reference that an existing field demands of its value; empty if it demands none.
    """

    field: str | FieldPlan
    marks: tuple[SealMark, ...]
    lock: str = ""


def reserve_seal(hashed: Sha256State, plan: Plan, seal: SealToWrite, details: SigningDetails) -> Reserved:
    """Write the place for a seal's signature, and everything that is shown. `hashed`: SHA-256 after the file's last
    byte.

    Raises CannotUpdate.
    """
    update = Update(plan)
    value = {"/Type": "/Sig", "/Filter": "/Adobe.PPKLite", "/SubFilter": "/ETSI.CAdES.detached"}
    value["/M"] = format_date(details.at)
    if seal.lock:
        value["/Reference"] = seal.lock
    number, place = put_value(update, value, details.digits)
    signed = SignedValue(number, 0, "", locks_all=bool(seal.lock), is_timestamp=False)
    if isinstance(seal.field, FieldPlan):
        after = _fill_field(update, plan, seal.field, signed, details.picture)
    else:
        after = _add_field(update, plan, seal, signed, details.picture)
    catalog = with_extension(after.catalog)
    if catalog != plan.catalog:
        update.put(plan.root, dictionary(catalog))
    data, written = update.finish()
    ended = _with_end(after.signatures, number, written.length)
    known = written._replace(
        catalog=catalog,
        form=after.form,
        form_entries=after.form_entries,
        fields=after.fields,
        signatures=ended,
        pages=after.pages,
    )
    return reserve_place(hashed, data, (place, details.digits), known)


def _fill_field(update: Update, plan: Plan, field: FieldPlan, signed: SignedValue, picture: Picture | None) -> Plan:
    entries = field.entries | {"/V": f"{signed.number} 0 R"}
    page = next((each for each in plan.pages.values() if each.number == field.page), None)
    box = _rectangle(field.entries.get("/Rect", "[0 0 0 0]"))
    if picture is not None and page is not None and box[2] > box[0] and box[3] > box[1]:
        frame = PageFrame.of(page)
        drawing = _Drawing(update, picture)
        entries["/AP"] = f"<</N {drawing.appearance(_shown_size(frame, box), (0.0, 1.0), frame)} 0 R>>"
    update.put(field.number, dictionary(entries))
    name = field.entries.get("/T", "()")[1:-1]
    return plan._replace(signatures=plan.signatures | {name: replace(field, entries=entries, value=signed)})


def _add_field(update: Update, plan: Plan, seal: SealToWrite, signed: SignedValue, picture: Picture | None) -> Plan:
    drawing = _Drawing(update, picture) if picture is not None else None
    added: dict[int, list[int]] = {}
    own: FieldPlan | None = None
    for mark in seal.marks:
        page = plan.pages[plan.page_order[mark.page]]
        frame = PageFrame.of(page)
        entries = _annotation(frame.own(mark.place), page.number)
        if drawing is not None:
            entries["/AP"] = f"<</N {drawing.appearance(mark.place[2:], mark.strip, frame)} 0 R>>"
        if own is None:
            entries |= WIDGET | {"/T": f"({seal.field})", "/V": f"{signed.number} 0 R"}
            own = FieldPlan(update.add(dictionary(entries)), entries, page.number, signed)
            added.setdefault(page.number, []).append(own.number)
        else:
            entries |= {
                "/Type": "/Annot",
                "/Subtype": "/Stamp",
                "/F": _PRINTED_AND_LOCKED,
                "/Contents": f"({seal.field})",
            }
            added.setdefault(page.number, []).append(update.add(dictionary(entries)))
    if own is None:
        raise CannotUpdate("the seal is not shown anywhere")
    pages = dict(plan.pages)
    for number, numbers in added.items():
        pages[number] = show_on_page(update, pages[number], numbers, keep=True)
    form, form_entries = list_in_form(update, plan, [own.number])
    catalog = plan.catalog | {"/AcroForm": f"{form} 0 R"}
    return plan._replace(
        catalog=catalog,
        form=form,
        form_entries=form_entries,
        fields=(*plan.fields, own.number),
        signatures=plan.signatures | {str(seal.field): own},
        pages=pages,
    )


def _annotation(box: Box, page: int) -> Entries:
    return {"/Rect": f"[{' '.join(_number(value) for value in box)}]", "/P": f"{page} 0 R"}


class _Drawing:
    """The picture of a seal in this revision, which is written once and can be shown several times."""

    def __init__(self, update: Update, picture: Picture) -> None:
        self._update, self._picture = update, picture
        self._form = picture.write(update)

    def appearance(self, size: tuple[float, ...], strip: tuple[float, float], frame: PageFrame) -> int:
        """Write an appearance of this size. Return its number."""
        width, height = size[0] / frame.unit, size[1] / frame.unit
        whole = width / (strip[1] - strip[0])
        scale = f"{whole / self._picture.width:.5f} 0 0 {height / self._picture.height:.5f}"
        entries = {
            "/Type": "/XObject",
            "/Subtype": "/Form",
            "/BBox": f"[0 0 {_number(width)} {_number(height)}]",
            "/Resources": f"<<{MULTIPLIED}/XObject <</Stamp {self._form} 0 R>>>>",
        }
        if MATRICES[frame.turned]:
            entries["/Matrix"] = MATRICES[frame.turned]
        shift = _number(-whole * strip[0])
        return self._update.add(stream(f"q /Multiply gs {scale} {shift} 0 cm /Stamp Do Q".encode("ascii"), entries))


def _shown_size(frame: PageFrame, box: Box) -> tuple[float, float]:
    width, height = (box[2] - box[0]) * frame.unit, (box[3] - box[1]) * frame.unit
    return (height, width) if frame.turned in {90, 270} else (width, height)


def _rectangle(text: str) -> Box:
    try:
        left, bottom, right, top = (float(part) for part in text.strip("[] \n").split())
    except ValueError as error:
        raise CannotUpdate("the field's place is not written in the field") from error
    return min(left, right), min(bottom, top), max(left, right), max(bottom, top)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def _with_end(signatures: dict[str, FieldPlan], number: int, end: int) -> dict[str, FieldPlan]:
    """Return the signatures with the end of the bytes that the new value covers, which is known only at the end."""
    return {
        name: replace(field, value=replace(field.value, end=end))
        if field.value and field.value.number == number
        else field
        for name, field in signatures.items()
    }
