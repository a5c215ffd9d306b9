"""A PDF of the school's own: checked, given places for the signatures, and signed."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pikepdf
import pytest

from hub.documents.contract.own_pdf import AboutDocument, OwnPdfReader
from hub.documents.contract.plain_form import write_plain_form
from hub.errors import BadInput
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.lay_out import find_own_document, keep_own_document
from hub.lifecycle.contract.reissue import reissue
from hub.lifecycle.evidence.person import PersonAct, erase_person
from hub.model.contract.own_document import OwnDocument
from hub.model.evidence.person_data import SoughtPerson
from hub.model.staff.scope import EVERYTHING
from tests.documents.contract_samples import minor
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.evidence.test_person import owner_of
from tests.lifecycle.people import MOTHER_ID, father, mother
from tests.lifecycle.signer import completed, signed
from tests.running import GUARDIAN_ID, Running, documents

PLACES = {"guardian-1": "keyword:乙方（监护人签名）", "seal": "page:1,60,250"}


PROGRAM = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
LAYERS = pikepdf.Dictionary(OCGs=pikepdf.Array(), D=pikepdf.Dictionary())
# Chromium hides these layers on the screen, and the first one not on paper. Others show them.
OFF = pikepdf.Dictionary(Usage=pikepdf.Dictionary(View=pikepdf.Dictionary(ViewState=pikepdf.Name.OFF)))
ALL_OFF = pikepdf.Dictionary(Type=pikepdf.Name.OCMD, P=pikepdf.Name.AllOff)
# Chromium and Poppler draw white in place of black. Others do not.
NEGATIVE = pikepdf.Dictionary(FunctionType=2, Domain=[0, 1], C0=[1], C1=[0], N=1)
FONT = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Courier)


@pytest.fixture(scope="module")
def reader() -> Iterator[OwnPdfReader]:
    made = OwnPdfReader()
    yield made
    made.close()


def of_the_school() -> bytes:
    """Return a PDF with words in it, as another program wrote it."""
    printer, _ = documents()
    return printer.lay_out("course", "zh", minor()).pdf


def over(kind: str, **entries: object) -> dict[str, object]:
    """Return something that lies over a page."""
    return {"/Type": pikepdf.Name.Annot, "/Subtype": pikepdf.Name(kind), "/Rect": pikepdf.Array([9, 9, 99, 99])} | {
        f"/{name}": value for name, value in entries.items()
    }


def layer(value: pikepdf.Dictionary) -> pikepdf.Dictionary:
    """Return resources with a layer, which no list in the catalog names."""
    return pikepdf.Dictionary(Properties=pikepdf.Dictionary(L=value))


def colours(value: pikepdf.Object) -> pikepdf.Dictionary:
    """Return resources with a transfer function."""
    return pikepdf.Dictionary(ExtGState=pikepdf.Dictionary(G=pikepdf.Dictionary(TR=value)))


def made(**changes: Any) -> bytes:
    pdf, written = pikepdf.new(), io.BytesIO()
    page = pdf.add_blank_page()
    for name, value in changes.items():
        if name == "Rotate":
            page.obj.Rotate = value
        if name == "tree":
            pdf.Root.Pages.Rotate = value
        if name == "opening":
            page.obj.AA = pikepdf.Dictionary(O=pikepdf.Dictionary(S=pikepdf.Name.Named, N=pikepdf.Name.Print))
        if name == "form":
            field = pdf.make_indirect(pikepdf.Dictionary(FT=pikepdf.Name.Tx, T="x"))
            pdf.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([field]))
        if name in ("OpenAction", "OCProperties"):
            pdf.Root[f"/{name}"] = value
        if name in ("Resources", "Parent"):
            page.obj[f"/{name}"] = pdf.make_indirect(value)
        if name == "picture":
            picture = pdf.make_stream(b"", {"/Type": pikepdf.Name.XObject, value: pikepdf.Array()})
            page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(P=picture))
        if name == "over":
            page.obj.Annots = pikepdf.Array([pdf.make_indirect(pikepdf.Dictionary(value))])
    encryption = pikepdf.Encryption(owner="x", user="y") if "password" in changes else False
    with warnings.catch_warnings(action="ignore"):  # of a field that lies on a page, and is in no form
        pdf.save(written, encryption=encryption)
    return written.getvalue()


# Chromium, Poppler and MuPDF draw different things where numbers and operators are written like this.
ODD_CONTENTS = [b"1 0 0 1 %b 0 cm 0 0 9 9 re f" % each for each in (b"--100", b"5-300", b".0.300", b"3e2", b"+-300")]
ODD_CONTENTS += [
    b"1 0 0 1 4294967296 0 cm",
    b"1 1 rg",
    b"1 1 1 1 1 1 0 0 0 rg",
    b"Q q 0 0 9 9 re f",
    b"1 0 0 1 0 0 cn",
    b"BX 7 unknown EX",
]


def drawing(content: bytes, **entries: Any) -> bytes:
    """Return a PDF whose page draws this."""
    pdf, written = pikepdf.new(), io.BytesIO()
    page = pdf.add_blank_page()
    page.obj.Contents = pdf.make_stream(content)
    page.obj.Contents.write(content, filter=entries.get("Filter"))
    pdf.save(written)
    return written.getvalue()


def nested(depth: int) -> bytes:
    """Return a PDF with so many forms, one inside the other."""
    pdf, written, drawn, resources = pikepdf.new(), io.BytesIO(), b"0 0 9 9 re f", pikepdf.Dictionary()
    for _ in range(depth):
        form = pdf.make_stream(drawn, Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form, BBox=[0, 0, 99, 99])
        form.Resources = resources
        drawn, resources = b"/X Do", pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=form))
    page = pdf.add_blank_page()
    page.obj.Contents, page.obj.Resources = pdf.make_stream(drawn), resources
    pdf.save(written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("uploaded", "why"),
    [
        (made(password=True), "protected by a password"),
        (made(form=True), "is a form, or is signed"),
        (made(OpenAction=PROGRAM), "programs or other files"),
        (made(Rotate=90), "turned or scaled pages"),
        (made(OCProperties=LAYERS), "layers, which may look different on paper"),
        (made(Resources=layer(OFF)), "layers, which may look different on paper"),
        (made(Resources=layer(ALL_OFF)), "layers, which may look different on paper"),
        (made(Resources=colours(NEGATIVE)), "colours that may look different on paper"),
        (made(Resources=colours(pikepdf.Array([NEGATIVE] * 4))), "colours that may look different on paper"),
        (made(picture="/Alternates"), "pictures that may look different"),
        (made(picture="/Ref"), "pictures that may look different"),
        (made(picture="/OPI"), "pictures that may look different"),
        (made(picture="/Subtype2"), "pictures that may look different"),
        (nested(16), "pictures inside pictures"),
        (nested(45), "pictures inside pictures"),
        *((drawing(content), "programs show in different ways") for content in ODD_CONTENTS),
        (drawing(b"0 g 0 0 9 9 re f", Filter=pikepdf.Name.FlateDecode), "programs show in different ways"),
        (drawing(b"0 g 0 0 9 9 re f", Filter=pikepdf.Name.Unknown), "programs show in different ways"),
        (made().replace(b"/Count 1", b"/Count 0"), "cannot be signed"),
        (made(Parent=pikepdf.Dictionary(Type=pikepdf.Name.Pages, Rotate=180)), "cannot be signed"),
        (made(opening=True), "programs or other files"),
        (made(tree=90), "turned or scaled pages"),
        (made(over=over("/Stamp", F=36)), "notes, stamps or fields"),
        (made(over=over("/Widget", FT=pikepdf.Name.Tx)), "notes, stamps or fields"),
        (made(over=over("/Link", AP=pikepdf.Dictionary())), "notes, stamps or fields"),
        (made(over=over("/Link", Border=pikepdf.Array([0, 0, 40]))), "notes, stamps or fields"),
        (made(over=over("/Link", BS=pikepdf.Dictionary(W=40))), "notes, stamps or fields"),
        (made(over=over("/Link", A=pikepdf.Dictionary(S=pikepdf.Name.GoToR, F="x"))), "programs or other files"),
        (made(Rotate=pikepdf.Name.North), "the PDF is damaged"),
        (made()[:100], "damaged"),
        (b"PK\x03\x04 a text document", "damaged"),
    ],
    ids="password form program turned layers layer-off layers-off colours each-colour picture page-of-a-file "
    "picture-of-a-file program-for-printers deep deeper sign minus points exponent signs too-large too-few "
    "too-many Q-first no-operator not-known not-packed no-filter no-page other-parent opening turned-tree "
    "printed-alone field link-drawn link-border link-style link-to-file turned-by-a-name cut no-PDF".split(),
)
def test_what_cannot_be_signed_as_it_is_is_refused(uploaded: bytes, why: str, reader: OwnPdfReader) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        reader.check(uploaded)
    assert refused.value.field == "document"


def costly(content: bytes = b"", links: int = 0, own: bytes = b"") -> bytes:
    """Return a PDF with such contents, so many links, and a value in the page that it does not show (`own`)."""
    pdf, written = pikepdf.new(), io.BytesIO()
    page, link = pdf.add_blank_page(), pdf.make_indirect(pikepdf.Dictionary(over("/Link", Border=[0, 0, 0])))
    page.obj.Contents = pdf.make_stream(content)
    page.obj.Annots = pikepdf.Array([link] * links)
    page.obj.Own = pikepdf.Object.parse(b"[%b]" % own)
    pdf.save(written)
    return written.getvalue()


COSTLY = {
    "contents": partial(costly, b"\n" * (5 << 20)),
    "annotations": partial(costly, links=50_001),
    "values of a page": partial(costly, own=b"<37>" * (3 << 17)),
    "bytes of a page": partial(costly, own=b"<%b>" % (b"37" * (10 << 20))),
    "dictionaries of a page": partial(costly, own=b"<<>>" * 67_000),
}
QUICKLY_READ = ("bytes of a page",)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=what, marks=() if what in QUICKLY_READ else pytest.mark.real)
        for what, make in COSTLY.items()
    ],
)
def test_an_upload_leaves_room_for_signatures(make: Callable[[], bytes], reader: OwnPdfReader) -> None:
    """A verifier reads a little more. What was uploaded under its limits is still issued."""
    uploaded = make()
    with pytest.raises(BadInput, match="too complex") as refused:
        reader.check(uploaded)
    assert refused.value.field == "document"
    places = OwnDocument("", "x", {"guardian-1": "page:1,60,60"})
    assert reader.lay_out(uploaded, places, AboutDocument("QD-1", "x", "zh")).pages == 1


@pytest.mark.real
def test_what_is_costly_for_a_verifier_is_never_issued(reader: OwnPdfReader) -> None:
    places = OwnDocument("", "x", {"guardian-1": "page:1,60,60"})
    with pytest.raises(BadInput, match="too complex"):
        reader.lay_out(costly(links=100_001), places, AboutDocument("QD-1", "x", "zh"))
    with pytest.raises(BadInput, match="too complex"):
        reader.lay_out(costly(own=b"<%b>" % (b"37" * (11 << 20))), places, AboutDocument("QD-1", "x", "zh"))


@pytest.mark.real
def test_a_large_upload_is_taken(reader: OwnPdfReader) -> None:
    drawn, long = b"0 0 m 9 9 l S\n" * (8 << 16), b"<%b>" % (b"37" * (4 << 20))
    large = costly(drawn, 50_000, long + b"7 " * (1 << 18))
    assert len(reader.check(large)) > 8 << 20


def test_what_every_program_shows_may_stay(reader: OwnPdfReader) -> None:
    link = pikepdf.Dictionary(S=pikepdf.Name.URI, URI="https://school.example")
    framed = over("/Link", A=link, Border=pikepdf.Array([0, 0, 1]), BS=pikepdf.Dictionary(S=pikepdf.Name.U))
    assert b"/URI" in reader.check(made(over=framed))
    assert b"/Contents" in reader.check(
        drawing(b"q q 1 0 0 1 -.5 +3. cm Q /DeviceRGB cs .1 .2 .3 scn 0 0 9 9 re f BI /W 1 /H 1 /IM true ID x EI")
    )
    assert b"/XObject" in reader.check(nested(15))
    assert b"/Identity" in reader.check(made(Resources=colours(pikepdf.Name.Identity)))


def with_font(name: str, font: pikepdf.Dictionary) -> bytes:
    with pikepdf.open(io.BytesIO(made())) as pdf:
        pdf.pages[0].obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary({f"/{name}": font}))
        pdf.save(written := io.BytesIO())
    return written.getvalue()


@pytest.mark.parametrize("name", ["AA", "EF", "JS"])
def test_a_font_may_be_called_as_acts_are(name: str, reader: OwnPdfReader) -> None:
    assert f"/{name} <<".encode() in reader.check(with_font(name, FONT))


def test_a_file_that_is_called_a_font_is_a_file(reader: OwnPdfReader) -> None:
    file = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, F=pikepdf.Dictionary())
    with pytest.raises(BadInput, match="programs or other files"):
        reader.check(with_font("EF", file))


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("keyword:不存在的字", "these words are not in the PDF:\nguardian-1"),
        ("keyword:甲方", "in the PDF several times"),
        ("page:99,60,60", "no such page:\nguardian-1"),
        ("page:1,2,60", "over the edge of the page:\nguardian-1"),
        ("field:Seal1", "a place is page"),
        ("anywhere", "a place is page"),
    ],
)
def test_a_place_has_to_be_in_the_document(place: str, why: str, reader: OwnPdfReader) -> None:
    pdf = reader.check(of_the_school())
    with pytest.raises(BadInput, match=why) as refused:
        reader.lay_out(pdf, OwnDocument("", "x", {"guardian-1": place}), AboutDocument("QD-1", "x", "zh"))
    assert refused.value.field == "places"


def test_no_place_overlaps_another(reader: OwnPdfReader) -> None:
    pdf, about = reader.check(of_the_school()), AboutDocument("QD-1", "x", "zh")
    places = {"guardian-1": "page:1,60,60", "seal": "page:1,100,60"}
    with pytest.raises(BadInput, match="overlaps another one:\nseal") as refused:
        reader.lay_out(pdf, OwnDocument("", "x", places), about)
    assert refused.value.field == "places"
    reader.lay_out(pdf, OwnDocument("", "x", places | {"seal": "page:1,120,60"}), about)


async def own(running: Running) -> OwnDocument:
    services = running.hub.services
    reference = await keep_own_document(services, of_the_school())
    with pytest.raises(BadInput, match="there is no such document"):
        find_own_document(services, reference[:-1] + ("0" if reference[-1] != "0" else "1"))
    return OwnDocument(find_own_document(services, reference), "春游告家长书", PLACES)


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_signed_and_sealed_as_it_is_and_can_be_issued_again() -> None:
    async with quiet_hub() as running:
        document = await own(running)
        contract = await running.issue_minor(document=document, companions=(), send="none")
        assert (contract.title, contract.template) == ("春游告家长书", "own-document")
        assert contract.data["course_name"] == "春游告家长书"
        assert any("培训" in block["text"] for block in contract.data["text"])
        again = await reissue(running.hub.services, EVERYTHING, contract.id, "staff:x")
        await signed(running, again)
        final = await completed(running, again)
        with pikepdf.open(io.BytesIO(final)) as pdf:
            assert str(pdf.docinfo["/Keywords"]) == again.number
        async with running.hub.database.transaction(EVERYTHING) as tx:
            versions = {each["kind"]: each for each in await tx.contracts.list_versions(again.id)}
        assert versions["uploaded"]["size"] == len(await running.hub.services.files.get(document.sha256))


@pytest.mark.asyncio(loop_scope="module")
async def test_everybody_who_signs_and_the_seal_have_a_place() -> None:
    async with quiet_hub() as running:
        document = await own(running)
        with pytest.raises(BadInput, match="no place for:\nseal"):
            await running.issue_minor(document=replace(document, places={"guardian-1": PLACES["guardian-1"]}))
        with pytest.raises(BadInput, match="nobody signs at this place:\nstudent-1"):
            await running.issue_minor(document=replace(document, places=PLACES | {"student-1": "page:1,60,60"}))


@pytest.mark.asyncio(loop_scope="module")
async def test_the_erasure_of_one_person_leaves_the_upload_to_the_others() -> None:
    async with quiet_hub() as running:
        services, document = running.hub.services, await own(running)
        for signer in (father(), mother()):
            made = await running.issue_minor(document=document, companions=(), send="none", signers=(signer,))
            await void(services, EVERYTHING, made.id, "a mistake", "test")
        async with owner_of(running) as owner:
            for number, is_left in ((GUARDIAN_ID, True), (MOTHER_ID, False)):
                act = PersonAct(SoughtPerson.typed("", number, ""), EVERYTHING, "command-line", "asked by letter")
                await erase_person(services, owner, act)
                assert (await services.files.get_size(document.sha256) > 0) is is_left


def test_preferences_of_a_school_are_left_out() -> None:
    """Some programs print only these pages, so the verifier would refuse the contract."""
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.Root.ViewerPreferences = pikepdf.Dictionary(PrintPageRange=[0, 0])
        plain = write_plain_form(pdf, {})
    assert b"/ViewerPreferences" not in plain and b"/MediaBox" in plain
