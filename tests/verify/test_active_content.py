"""Parts that act by themselves or look different on paper are found wherever they are, from the issued file on."""

from __future__ import annotations

import pytest

from qianda.pdf import NotOurForm
from qianda.verify.pdf.active_content import find_active
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.structure import examine
from tests.browser.update_files import NEW, Revision, body_of, content_of, next_trailer, page_of, root_of
from tests.signing_parts import sample_pdf

SCRIPT = b"<< /S /JavaScript /JS (this.dirty = false) >>"
LINK = b"/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] %b >>]"
FIELD = b"/Annots [<< /Type /Annot /Subtype /Widget /FT /Sig /T (seal) /Rect [0 0 9 9] %b >>]"
HARMLESS = {
    "a link": LINK % b"/A << /S /URI /URI (https://school.example) >>",
    "a link with a frame": LINK % b"/Border [0 0 1] /C [1 0 0]",
    "colours as usual": b"/More << /ExtGState << /G << /TR /Identity /TR2 /Default >> >> >>",
    "a field": FIELD % b"/F 132",
}
OF_A_PAGE = {
    "a program as the page opens": b"/AA << /O " + SCRIPT + b" >>",
    "a program behind a link": LINK % (b"/A " + SCRIPT),
    "a program that another object names": b"/AA << /O << /S %d 0 R >> >>" % NEW,
    "an act as the page opens": b"/AA << /O << /S /Named /N /Print >> >>",
    "a link that hides a field": LINK % b"/A << /S /Hide /T (seal) >>",
    "a link that looks like something": LINK % (b"/AP << /N 4 0 R >>"),
    "a border over what it links": LINK % b"/Border [0 0 40] /C [1 1 1]",
    "a style of border over what it links": LINK % b"/BS << /W 40 >>",
    "a border as wide, the other way": LINK % b"/Border [0 0 -40]",
    "a layer for paper in no list": b"/More << /Properties << /L << /Usage << /View << /ViewState /OFF >> >> >> >> >>",
    "a layer that depends on others": b"/More << /Properties << /L << /Type /OCMD /P /AllOff >> >> >>",
    "black in place of white": b"/More << /ExtGState << /G << /TR << /FunctionType 2 /N 1 /C0 [1] >> >> >> >>",
    "black in place of white, in each colour": b"/More << /ExtGState << /G << /TR2 [4 0 R] >> >> >>",
    "a note over the text": b"/Annots [<< /Type /Annot /Subtype /FreeText /F 32 /Contents (CNY 1.00) >>]",
    "a field on the screen alone": FIELD % b"",
    "a field on paper alone": FIELD % b"/F 36",
    "a hidden field": FIELD % b"/F 6",
    "a field that shows when it is touched": FIELD % b"/F 260",
    "a file": b"/AF [<< /Type /Filespec /F (a) /EF << /F 4 0 R >> >>]",
}
OF_THE_CATALOG = {
    "files": b"/Names << /EmbeddedFiles << /Names [] >> >>",
    "a program by its name": b"/Names << /JavaScript << /Names [(a) " + SCRIPT + b"] >> >>",
    "a smaller part on the screen": b"/ViewerPreferences << /ViewArea /TrimBox >>",
    "a smaller part cut out on paper": b"/ViewerPreferences << /ViewArea /CropBox /PrintClip /ArtBox >>",
    "some pages on paper": b"/ViewerPreferences << /PrintPageRange [0 0] >>",
    "a portfolio": b"/Collection << /View /T >>",
    "layers": b"/OCProperties << >>",
    "a form of another kind": b"/AcroForm << /XFA (x) /Fields [] >>",
}


def document_with(number: int, more: bytes) -> bytes:
    pdf = sample_pdf()
    body = body_of(pdf, number)
    revision = Revision(pdf, {number: body[:-2] + more + b" >>", NEW: b"/JavaScript"}, next_trailer(pdf))
    return revision.write()


@pytest.mark.parametrize("more", HARMLESS.values(), ids=HARMLESS)
def test_what_documents_may_have_is_not_active(more: bytes) -> None:
    assert find_active(SignedFile(document_with(page_of(sample_pdf()), more)).now) == []


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        (b"/AA << /Type /Font /Subtype /Type1 /BaseFont /Courier >>", []),
        (b"/AA << /Type /Font /O << /S /Named /N /Print >> >> /Parent 4 0 R", ["/AA"]),
        (b"/AA << /O << /S /Named /N /Print >> >>", ["/AA"]),
        (b"/JS << /Type /Font /Subtype /Type1 /BaseFont /Courier >>", []),
        (b"/EF << /Type /Font /Subtype /Type1 /BaseFont /Courier >>", []),
        (b"/EF << /Type /Font /Subtype /Type1 /BaseFont /Courier >> /JS (this.dirty = false)", ["/EF", "/JS"]),
        (b"/EF << /Type /Font /Subtype /Type1 /F 4 0 R >>", ["/EF"]),
        (b"/EF << /Type /Font /Subtype /Type1 /UF 4 0 R >>", ["/EF"]),
        (b"/XFA << /Type /Font /Subtype /Type1 /BaseFont /Courier >>", ["/XFA"]),
    ],
)
def test_only_a_font_may_be_called_as_acts_are(entries: bytes, found: list[str]) -> None:
    pdf = sample_pdf()
    revision = Revision(pdf, {NEW: b"<< " + entries + b" >>"}, next_trailer(pdf))
    assert find_active(SignedFile(revision.write()).now) == found


def test_no_other_spelling_hides_an_act_that_was_there_from_the_beginning() -> None:
    """The file was signed with it. Other readers take `/#4aS` for `/JS`."""
    spelled = SCRIPT.replace(b"/JavaScript", b"/J#61vaScript").replace(b"/JS", b"/#4aS")
    with pytest.raises(NotOurForm):
        SignedFile(document_with(page_of(sample_pdf()), LINK % (b"/A " + spelled)))


@pytest.mark.parametrize("more", OF_A_PAGE.values(), ids=OF_A_PAGE)
def test_active_parts_of_a_page_are_found(more: bytes) -> None:
    findings = examine(document_with(page_of(sample_pdf()), more)).findings
    assert any("active parts" in finding.reason.en for finding in findings)


@pytest.mark.parametrize("key", ["/Alternates [ ]", "/Ref << /Page 0 >>", "/OPI << >>", "/Subtype2 /PS"])
def test_what_some_programs_show_in_place_of_a_picture_is_found(key: str) -> None:
    pdf = sample_pdf()
    number = content_of(pdf)
    body = body_of(pdf, number).replace(b"<< ", b"<< %b " % key.encode(), 1)
    findings = examine(Revision(pdf, {number: body}, next_trailer(pdf)).write()).findings
    assert any(key.partition(" ")[0] in finding.reason.en for finding in findings)


def test_what_a_document_may_prefer_is_not_active() -> None:
    more = b"/ViewerPreferences << /DisplayDocTitle true /PrintArea /CropBox /PrintClip /MediaBox >>"
    assert find_active(SignedFile(document_with(root_of(sample_pdf()), more)).now) == []


@pytest.mark.parametrize("more", OF_THE_CATALOG.values(), ids=OF_THE_CATALOG)
def test_active_parts_of_the_document_are_found(more: bytes) -> None:
    findings = examine(document_with(root_of(sample_pdf()), more)).findings
    assert any("active parts" in finding.reason.en for finding in findings)
