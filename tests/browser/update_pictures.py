"""Pictures of signatures that could show something else than a signature: of another form, or over what is signed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.browser.update_files import Case, Revision, drawn, edit, last_revision, picture_of

Change = Callable[[Revision], None]
CHANGES: dict[str, Change] = {}


def _picture(change: Change) -> Change:
    CHANGES[change.__name__.strip("_").replace("_", " ")] = change
    return change


@_picture
def picture_with_a_matrix(revision: Revision) -> None:
    edit(revision, picture_of(revision), b"/BBox", b"/Matrix [9 0 0 9 0 0] /BBox")


def _with_bounds(bounds: bytes) -> Change:
    def change(revision: Revision) -> None:
        number = picture_of(revision)
        revision.objects[number] = re.sub(rb"/BBox \[.*?\]", bounds, revision.objects[number])

    return change


CHANGES |= {
    "picture without bounds": _with_bounds(b""),
    "picture of no width": _with_bounds(b"/BBox [ 7 0 7 60 ]"),
    "picture of no height": _with_bounds(b"/BBox [ 0 60 90 60.0 ]"),
    "picture with three corners": _with_bounds(b"/BBox [ 0 0 90 ]"),
}


@_picture
def picture_that_depends_on_a_layer(revision: Revision) -> None:
    edit(revision, picture_of(revision), b"/BBox", b"/OC << /Type /OCG /Name (a) >> /BBox")


@_picture
def picture_of_another_price(revision: Revision) -> None:
    """An area over the text of the page, and a text in its place."""
    content = b"0.8 g 0 0 150 60 re f 0 g 2 30 50 9 re f"
    revision.objects[picture_of(revision)] = drawn(content).replace(b"<<", b"<< /Subtype /Form /BBox [0 0 150 60]", 1)


@_picture
def picture_that_draws_beside_its_form(revision: Revision) -> None:
    edit(revision, picture_of(revision), b" /Stamp Do", b" /Stamp Do 0.8 g 0 0 150 60 re f")
    _count_again(revision, picture_of(revision))


@_picture
def picture_in_another_state(revision: Revision) -> None:
    _add_colours(revision)
    edit(revision, picture_of(revision), b"/Multiply gs", b"/BackgroundGS gs")
    _count_again(revision, picture_of(revision))


@_picture
def picture_in_another_mode(revision: Revision) -> None:
    _add_colours(revision)
    edit(revision, picture_of(revision), b"/BM /Multiply", b"/BM /Normal")


@_picture
def picture_whose_colours_are_turned_round(revision: Revision) -> None:
    """What is dark comes out light (ISO 32000-2 10.5)."""
    turned = b"<< /FunctionType 2 /Domain [ 0 1 ] /N 1 /C0 [ 1 ] /C1 [ 0 ] >>"
    edit(revision, picture_of(revision), b"/BM /Multiply", b"/BM /Multiply /TR " + turned)


@_picture
def picture_that_is_a_group(revision: Revision) -> None:
    edit(revision, picture_of(revision), b"/BBox", b"/Group << /S /Transparency >> /BBox")


@_picture
def picture_with_a_group_inside(revision: Revision) -> None:
    edit(revision, _form_in(revision), b"/BBox", b"/Group << /S /Transparency >> /BBox")


@_picture
def picture_that_ends_the_multiplying(revision: Revision) -> None:
    form = _form_in(revision)
    found = re.search(rb"/Resources (\d+) 0 R", revision.objects[form])
    assert found
    edit(revision, int(found[1]), b"<<", b"<< /ExtGState << /N << /BM /Normal >> >>")


def _form_in(revision: Revision) -> int:
    found = re.search(rb"/Stamp (\d+) 0 R", revision.objects[picture_of(revision)])
    assert found
    return int(found[1])


def _add_colours(revision: Revision) -> None:
    """Let the form in the picture have two colours, so that one of them could cover a text below the other."""
    number = _form_in(revision)
    entries = re.sub(rb"/(?:Filter /\w+|Length \d+)", b"", revision.objects[number].partition(b">>\nstream")[0])
    content = drawn(b"0.8 g 0 0 150 60 re f 0 g 2 30 50 9 re f").removeprefix(b"<<")
    revision.objects[number] = entries + content


def _count_again(revision: Revision, number: int) -> None:
    entries, _, content = revision.objects[number].partition(b"\nstream\n")
    length = len(content.removesuffix(b"\nendstream"))
    revision.objects[number] = re.sub(rb"/Length \d+", b"/Length %d" % length, entries) + b"\nstream\n" + content


def picture_cases(cases: list[Case]) -> Iterator[Case]:
    """Yield each change of the picture in each of the prepared files."""
    for what, change in CHANGES.items():
        for case in cases:
            revision = last_revision(case.shown, case.prepared)
            change(revision)
            name = case.name.split(", ")[1]
            yield Case(f"{what}, {name}", case.shown, revision.write())
