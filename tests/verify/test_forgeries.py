"""Forgeries that look like a part of signing, in each revision of a contract, by an insider who does the rest properly.

Most need preparation: the file was issued in such a way that what a signature may change also changes a page.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from qianda.checks import RefusedToSign
from qianda.update import check_update
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.browser.update_files import Revision, body_of, content_of, drawn, number_of, own_field, page_of, root_of
from tests.pdf_steps import PYHANKO
from tests.signing_parts import FinishedParts, finished_contract
from tests.verify.insider import SIGNINGS, STEPS, Change, Insider, Memo, edit
from tests.verify.reading import FIELDS, SIGNERS, failed

NEW = 900  # a number that no object of the contract has
TEXT = b"<< /Type /Metadata /Subtype /XML "
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>\n</x:xmpmeta>\n'
)


@dataclass(frozen=True)
class Forgery:
    change: Change
    ground: Change | None = None
    steps: tuple[str, ...] = STEPS
    pictures: bool = False


@dataclass(frozen=True)
class Forged:
    pdf: bytes
    shown_and_prepared: list[tuple[bytes, bytes]]  # at the forged step, if it is a signature


Forge = Callable[[str, str], Forged]  # by the names of forgery and step


def nothing(revision: Revision) -> None: ...


def with_content(revision: Revision, number: int) -> None:
    content = content_of(revision.before)
    edit(
        revision,
        page_of(revision.before),
        b"/Contents %d 0 R" % content,
        b"/Contents [%d 0 R %d 0 R]" % (content, number),
    )


# ---- what the issued file refers to more than once, or without a target


def refers_to_a_missing_object(revision: Revision) -> None:
    with_content(revision, NEW)


def comes_to_life(revision: Revision) -> None:
    revision.objects[NEW] = drawn()


def metadata_are_content(revision: Revision) -> None:
    edit(revision, root_of(revision.before), b"/Type /Catalog", b"/Type /Catalog /Metadata %d 0 R" % (NEW + 1))
    revision.objects[NEW + 1] = drawn(XMP).replace(b"<< ", TEXT, 1)
    with_content(revision, NEW + 1)


def other_metadata(revision: Revision) -> None:
    text = XMP + b"<!--\nBT /F1 18 Tf 60 700 Td (CNY 1.00) Tj ET\n-->"
    revision.objects[NEW + 1] = drawn(text).replace(b"<< ", TEXT, 1)


def content_calls_itself_metadata(revision: Revision) -> None:
    number = content_of(revision.before)
    revision.objects[number] = body_of(revision.before, number).replace(b"<< ", TEXT, 1)


def content_replaced(revision: Revision) -> None:
    revision.objects[content_of(revision.before)] = drawn().replace(b"<< ", TEXT, 1)


def information_is_a_list_of_pictures(revision: Revision) -> None:
    info = int(re.findall(rb"/Info (\d+) 0 R", revision.before)[-1])
    edit(revision, number_of(revision.before, rb"\A<< /Font"), b"/Font <<", b"/XObject %d 0 R /Font <<" % info)


def other_information(revision: Revision) -> None:
    info = int(re.findall(rb"/Info (\d+) 0 R", revision.before)[-1])
    revision.objects[info] = b"<< /ModDate (D:20010101000000Z) /Producer (somebody) >>"


def information_holds_an_object(revision: Revision) -> None:
    info = int(re.findall(rb"/Info (\d+) 0 R", revision.before)[-1])
    revision.objects[info] = b"<< /ModDate %d 0 R /Producer (x) >>" % NEW
    revision.objects[NEW] = drawn()


def catalog_is_a_list_of_graphics_states(revision: Revision) -> None:
    number = number_of(revision.before, rb"\A<< /Font")
    edit(revision, number, b"/Font <<", b"/ExtGState %d 0 R /Font <<" % root_of(revision.before))


def invisible_by_extension(revision: Revision) -> None:
    number = root_of(revision.before)
    body = revision.objects.get(number) or body_of(revision.before, number)
    start = body.find(b"/Extensions")
    body = body if start < 0 else body.replace(b"/Extensions <<", b"/Extensions << /ca 0 ", 1)
    revision.objects[number] = body if start >= 0 else body[:-2] + b"/Extensions << /ca 0 >> >>"


def refers_to_what_comes_later(revision: Revision) -> None:
    """Nothing shows in the revision itself, but a later one could define the missing object."""
    revision.objects[NEW] = b"<< /Later %d 0 R >>" % (NEW + 1)


# ---- where a signature shows


def field_on_two_pages(revision: Revision) -> None:
    fields = [
        number_of(revision.before, rb"/T \(%b\)" % name.replace("-", "\\055").replace("\\", "\\\\").encode())
        for name in FIELDS
    ]
    listed = b" ".join(b"%d 0 R" % number for number in fields)
    tree = number_of(revision.before, rb"/Type /Pages")
    edit(revision, tree, b"/Kids [", b"/Kids [%d 0 R " % NEW)
    edit(revision, tree, b"/Count 1", b"/Count 2")
    revision.objects[NEW] = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Annots [%b] >>" % (tree, listed)


def field_on_two_pages_by_one_list(revision: Revision) -> None:
    """Each field is referred to twice, as it must be: the pages share their list of annotations."""
    tree, page = number_of(revision.before, rb"/Type /Pages"), page_of(revision.before)
    found = re.search(rb"/Annots (\[.*?\])", body_of(revision.before, page))
    assert found
    edit(revision, tree, b"/Kids [", b"/Kids [%d 0 R " % NEW)
    edit(revision, tree, b"/Count 1", b"/Count 2")
    edit(revision, page, found[0], b"/Annots %d 0 R" % (NEW + 1))
    revision.objects[NEW + 1] = found[1]
    revision.objects[NEW] = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Annots %d 0 R >>" % (tree, NEW + 1)


def fields_as_large_as_the_page(revision: Revision) -> None:
    for name in FIELDS:
        number = number_of(revision.before, rb"/T \(%b\)" % name.replace("-", "\\\\055").encode())
        body = body_of(revision.before, number)
        revision.objects[number] = re.sub(rb"/Rect \[.*?\]", b"/Rect [ 0 0 595 842 ]", body)


def fields_show_a_text(revision: Revision) -> None:
    for name in FIELDS:
        number = number_of(revision.before, rb"/T \(%b\)" % name.replace("-", "\\\\055").encode())
        body = re.sub(rb"/AP <<[^>]*>>", b"", body_of(revision.before, number)).removesuffix(b">>")
        revision.objects[number] = body + b"/AP << /N %d 0 R >> >>" % NEW
    font = b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> "
    form = b"<< /Type /XObject /Subtype /Form /BBox [0 0 120 60] " + font
    revision.objects[NEW] = drawn(b"BT /F1 9 Tf 2 30 Td (Refund within 7 days) Tj ET").replace(b"<< ", form, 1)


def _picture(revision: Revision) -> int:
    found = re.search(rb"/N (\d+) 0 R", revision.objects[own_field(revision)])
    assert found
    return int(found[1])


def picture_turned(revision: Revision) -> None:
    edit(revision, _picture(revision), b"/BBox", b"/Matrix [9 0 0 9 0 0] /BBox")


def picture_without_bounds(revision: Revision) -> None:
    edit(revision, _picture(revision), b"/BBox", b"/OldBBox")


def picture_of_no_width(revision: Revision) -> None:
    body = revision.objects[_picture(revision)]
    revision.objects[_picture(revision)] = re.sub(rb"/BBox \[.*?\]", b"/BBox [ 0 0 0 60 ]", body)


def picture_when_pressed(revision: Revision) -> None:
    edit(revision, own_field(revision), b"/N ", b"/D %d 0 R /N " % NEW)
    revision.objects[NEW] = drawn()


def picture_was_there_before(revision: Revision) -> None:
    number = own_field(revision)
    content = b"/N %d 0 R" % content_of(revision.before)
    revision.objects[number] = re.sub(rb"/N \d+ 0 R", content, revision.objects[number])


# ---- which fields are signed, by what


def one_more_field(revision: Revision) -> None:
    edit(revision, number_of(revision.before, rb"\A<<\n/Fields"), b"/Fields [", b"/Fields [ %d 0 R" % NEW)
    edit(revision, page_of(revision.before), b"/Annots [", b"/Annots [ %d 0 R" % NEW)
    seal = body_of(revision.before, number_of(revision.before, rb"/T \(seal\)"))
    revision.objects[NEW] = re.sub(rb"/Lock \d+ 0 R", b"", seal.replace(b"(seal)", b"(representative-1)"))


def two_fields_signed(revision: Revision) -> None:
    value = re.search(rb"/V \d+ 0 R", revision.objects[own_field(revision)])
    assert value
    edit(revision, NEW, b"/F 132", b"/F 132 " + value[0])


def signature_of_somebody_before(revision: Revision) -> None:
    number, earlier = own_field(revision), number_of(revision.before, rb"/ByteRange")
    revision.objects[number] = re.sub(rb"/V \d+ 0 R", b"/V %d 0 R" % earlier, revision.objects[number])


def signature_signed_again(revision: Revision) -> None:
    field = number_of(revision.before, rb"/T \(guardian\\0551\)")
    edit(revision, field, b"/F 132", b"/F 4")


def timestamp_without_a_place(revision: Revision) -> None:
    number = next(number for number, body in revision.objects.items() if b"/Rect" in body)
    revision.objects[number] = re.sub(rb"/Rect \[[^\]]*\]", b"", revision.objects[number])


# ---- readers that understand the table of objects differently


def object_of_another_generation(revision: Revision) -> None:
    number = content_of(revision.before)
    revision.objects[NEW] = drawn()
    place = revision.write().index(b"%d 0 obj" % NEW, len(revision.before))
    revision.rows[number] = b"%010d 00001 n \n" % place


def object_in_the_table_twice(revision: Revision) -> None:
    """The last entry is the earlier object; some readers take the first one."""
    number = content_of(revision.before)
    place = revision.before.index(b"\n%d 0 obj" % number) + 1
    revision.objects[number] = drawn()
    new = revision.write().index(b"\n%d 0 obj" % number, len(revision.before)) + 1
    revision.rows[number] = b"%010d 00000 n \n%d 1\n%010d 00000 n \n" % (new, number, place)


def object_freed(revision: Revision) -> None:
    revision.rows[content_of(revision.before)] = b"0000000000 00001 f \n"


FORGERIES = {
    "a missing object comes to life": Forgery(comes_to_life, refers_to_a_missing_object),
    "a missing object": Forgery(nothing, refers_to_a_missing_object),
    "an object is missing from then on": Forgery(refers_to_what_comes_later),
    "metadata that are a page's content": Forgery(other_metadata, metadata_are_content),
    "content that calls itself metadata": Forgery(content_replaced, content_calls_itself_metadata),
    "information that is a list of pictures": Forgery(other_information, information_is_a_list_of_pictures),
    "information that holds an object": Forgery(information_holds_an_object),
    "the catalog as graphics states": Forgery(invisible_by_extension, catalog_is_a_list_of_graphics_states),
    "a field on two pages": Forgery(nothing, field_on_two_pages, SIGNINGS),
    "a field on two pages by one list": Forgery(nothing, field_on_two_pages_by_one_list, SIGNINGS),
    "a field as large as the page": Forgery(nothing, fields_as_large_as_the_page, SIGNINGS),
    "a text that the picture replaces": Forgery(nothing, fields_show_a_text, SIGNINGS, pictures=True),
    "a picture with a matrix": Forgery(picture_turned, None, SIGNINGS, pictures=True),
    "a picture without bounds": Forgery(picture_without_bounds, None, SIGNINGS, pictures=True),
    "a picture of no width": Forgery(picture_of_no_width, None, SIGNINGS, pictures=True),
    "a picture for when it is pressed": Forgery(picture_when_pressed, None, SIGNINGS),
    "a picture that was there before": Forgery(picture_was_there_before, None, SIGNINGS),
    "two fields signed": Forgery(two_fields_signed, one_more_field, SIGNINGS),
    "a signature of before": Forgery(signature_of_somebody_before, None, SIGNINGS[1:]),
    "a signed field changed": Forgery(signature_signed_again, None, STEPS[1:]),
    "a timestamp without a place": Forgery(timestamp_without_a_place, None, STEPS[-1:]),
    "another generation": Forgery(object_of_another_generation, None, STEPS[-1:]),
    "twice in the table": Forgery(object_in_the_table_twice),
    "an object freed": Forgery(object_freed),
}


def _quick_steps() -> dict[str, str]:
    """Return one step for each forgery: a signature if possible, as a client checks that too, and not the same step for
    all."""
    found = {}
    for number, (name, forgery) in enumerate(FORGERIES.items()):
        steps = [step for step in forgery.steps if step in SIGNINGS] or forgery.steps
        found[name] = steps[number % len(steps)]
    return found


# Every step of every forgery takes long, so the usual run tests one step of each.
QUICK_STEPS = _quick_steps()
CASES = [
    pytest.param(name, step, marks=() if step == QUICK_STEPS[name] else pytest.mark.real)
    for name, forgery in FORGERIES.items()
    for step in forgery.steps
]
HONEST_CASES = [
    pytest.param(step, pictures, marks=() if step in QUICK_STEPS.values() else pytest.mark.real)
    for pictures in (False, True)
    for step in STEPS
]
BROKEN_TOO = {
    "two fields signed",
    "a signature of before",
    "another generation",
    "twice in the table",
    "an object freed",
}


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FinishedParts:
    """Return a contract by pyHanko, whose notation the changes expect. For our own engine see
    `tests/pades/test_insider.py`."""
    return asyncio.run(finished_contract(tmp_path_factory.mktemp("contract"), signers=SIGNERS, engine=PYHANKO))


@pytest.fixture(scope="module")
def trust(contract: FinishedParts) -> Trust:
    return Trust.load([contract.trust_pem])


@pytest.fixture(scope="module")
def memo() -> Memo:
    return {}


@pytest.fixture(scope="module")
def forge(contract: FinishedParts, memo: Memo) -> Forge:
    """Return a function that makes each forged contract once."""

    @cache
    def forged(name: str, step: str) -> Forged:
        forgery = FORGERIES[name]
        insider = Insider(contract, step, forgery.change, forgery.ground, forgery.pictures, PYHANKO, memo)
        return Forged(asyncio.run(insider.contract_made()), insider.shown_and_prepared)

    return forged


@pytest.mark.parametrize(("step", "pictures"), HONEST_CASES)
def test_the_insiders_steps_alone_pass(contract: FinishedParts, memo: Memo, step: str, pictures: bool) -> None:
    """The forgery itself is found, not the way in which it was written."""
    insider = Insider(contract, step, nothing, pictures=pictures, engine=PYHANKO, memo=memo)
    assert check_finished(asyncio.run(insider.contract_made()), FIELDS) == []
    for shown, prepared in insider.shown_and_prepared:
        check_update(shown, prepared)


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_forgery_is_found_in_every_revision(forge: Forge, name: str, step: str) -> None:
    """It is found by the hub's check of the finished file, and by the next signer's client if there is one."""
    forged = forge(name, step)
    findings = check_finished(forged.pdf, FIELDS)
    assert Element.TEXT in {finding.element for finding in findings}
    if name not in BROKEN_TOO:  # only the check of the revisions has found it
        assert {finding.reason.en[:31] for finding in findings} == {"Something other than a signatur"}
    assert bool(forged.shown_and_prepared) == (step in SIGNINGS)
    for shown, prepared in forged.shown_and_prepared:
        with pytest.raises(RefusedToSign):
            check_update(shown, prepared)


@pytest.mark.parametrize("name", FORGERIES)
def test_the_verifier_says_that_the_text_was_altered(forge: Forge, trust: Trust, name: str) -> None:
    pdf = forge(name, QUICK_STEPS[name]).pdf
    assert Element.TEXT in failed(verify_bytes(pdf, trust, Expectation(FIELDS)))
