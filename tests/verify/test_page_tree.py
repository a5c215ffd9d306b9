"""A tree of pages in which readers would find different pages is refused, also if the file was issued with it."""

from __future__ import annotations

import re

import pytest

from qianda.pdf import NotOurForm
from qianda.verify.pdf.pages import pages
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.structure import altered
from tests.browser.update_files import NEW, Objects, Revision, body_of, next_trailer, number_of, page_of
from tests.signing_parts import sample_pdf

PDF = sample_pdf()
TREE, PAGE = number_of(PDF, rb"/Type /Pages"), page_of(PDF)
LIST, ALONE = body_of(PDF, TREE), body_of(PDF, PAGE)


def counting(count: bytes) -> bytes:
    return re.sub(rb"/Count \d+", b"/Count " + count, LIST)


def below(parent: int) -> bytes:
    return re.sub(rb"/Parent \d+", b"/Parent %d" % parent, ALONE)


def between(count: int) -> Objects:
    """Return a list with the page, in the list."""
    kids, again = re.search(rb"/Kids ?\[[^\]]*\]", LIST), b"/Kids [ %d 0 R ]" % NEW
    assert kids
    inner = b"<< /Type /Pages /Parent %d 0 R /Count %d %b >>" % (TREE, count, kids[0])
    return {TREE: LIST.replace(kids[0], again), NEW: inner, PAGE: below(NEW)}


def pages_with(objects: Objects) -> list[int]:
    return list(pages(SignedFile(Revision(PDF, objects, next_trailer(PDF)).write()).now))


@pytest.mark.parametrize("objects", [{TREE: LIST}, between(1)], ids=["as it is", "a list in the list"])
def test_a_tree_that_all_readers_understand(objects: Objects) -> None:
    assert pages_with(objects) == [PAGE]


@pytest.mark.parametrize(
    "objects",
    [
        {TREE: counting(b"0")},
        {TREE: counting(b"2")},
        {TREE: counting(b"1.0")},
        {TREE: counting(b"true")},
        {TREE: LIST.replace(b"/Count", b"/Counted")},
        between(2),
        between(0),
        {PAGE: below(NEW), NEW: b"<< /Type /Pages /Rotate 180 >>"},
        {PAGE: ALONE.replace(b"/Parent", b"/Above")},
        {TREE: LIST.replace(b"/Count", b"/Parent %d 0 R /Count" % NEW), NEW: b"<< /Type /Pages /Rotate 180 >>"},
        {TREE: LIST.replace(b"/Count", b"/Parent << /Rotate 180 >> /Count")},
    ],
    ids="none more fraction word unsaid list-of-more list-of-none other-parent no-parent above-all above-in-it".split(),
)
def test_a_tree_that_readers_understand_differently(objects: Objects) -> None:
    with pytest.raises(NotOurForm):
        pages_with(objects)


def test_a_byte_is_named_only_if_the_fault_is_at_one() -> None:
    """A wrong tree has no place of its own. What is wrong is said in English, for specialists."""
    with pytest.raises(NotOurForm) as raised:
        pages_with({TREE: counting(b"2")})
    reason = altered(raised.value)
    assert (raised.value.what in reason.en, "byte" in reason.en, "字节" in reason.zh) == (True, False, False)
    reason = altered(NotOurForm("a list does not end", 1234))
    assert "from byte 1234 on" in reason.en and "第 1234 字节" in reason.zh and "list" not in reason.zh
