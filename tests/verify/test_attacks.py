"""Changes that are inserted between two signatures, or after the last: every one is found.

The attacker here is as strong as possible: an insider who gets the later signatures, the seal and the document
timestamp made over the changed file, so that every byte range, digest and signature is right.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.pdf_steps import close
from tests.signing_parts import SEAL, FinishedParts, pki_certificates, sign
from tests.verify.reading import FIELDS, failed

Change = Callable[[IncrementalPdfFileWriter], None]


def replaced_page_content(writer: IncrementalPdfFileWriter) -> None:
    page = _page(writer)
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT /F1 18 Tf 60 760 Td (CNY 1.00) Tj ET"))
    writer.update_container(page)


def overwritten_page_content(writer: IncrementalPdfFileWriter) -> None:
    content = _page(writer)["/Contents"]
    content._data = b"BT /F1 18 Tf 60 760 Td (CNY 1.00) Tj ET"
    content._encoded_data = None
    writer.update_container(content)


def swapped_font(writer: IncrementalPdfFileWriter) -> None:
    font = _page(writer)["/Resources"]["/Font"]["/F1"]
    font["/BaseFont"] = pdf_name("/Symbol")
    writer.update_container(font)


def added_annotation(writer: IncrementalPdfFileWriter) -> None:
    note = _dictionary({"/Type": "/Annot", "/Subtype": "/FreeText"})
    _annotate(writer, note)


def added_text_field(writer: IncrementalPdfFileWriter) -> None:
    field = _dictionary({"/Type": "/Annot", "/Subtype": "/Widget", "/FT": "/Tx"})
    field["/T"] = generic.TextStringObject("amount")
    field["/V"] = generic.TextStringObject("CNY 1.00")
    form = writer.root["/AcroForm"]
    form["/Fields"].append(_annotate(writer, field))
    writer.update_container(form["/Fields"])


def added_signature_field(writer: IncrementalPdfFileWriter) -> None:
    field = _dictionary({"/Type": "/Annot", "/Subtype": "/Widget", "/FT": "/Sig"})
    field["/T"] = generic.TextStringObject("student-9")
    form = writer.root["/AcroForm"]
    form["/Fields"].append(_annotate(writer, field))
    writer.update_container(form["/Fields"])


def moved_field(writer: IncrementalPdfFileWriter) -> None:
    """The seal's picture would cover the whole page."""
    for field in writer.root["/AcroForm"]["/Fields"]:
        if field.get_object()["/T"] == SEAL:
            field.get_object()["/Rect"] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 595, 842)))
            writer.mark_update(field.reference)


def removed_field(writer: IncrementalPdfFileWriter) -> None:
    form = writer.root["/AcroForm"]
    del form["/Fields"][0]
    writer.update_container(form["/Fields"])


def new_appearance_of_a_signature(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][0]
    picture = generic.StreamObject(_dictionary({"/Subtype": "/Form"}), stream_data=b"0 0 100 100 re f")
    picture["/BBox"] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 100, 100)))
    field["/AP"] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(picture)})
    writer.update_container(field)


def open_action(writer: IncrementalPdfFileWriter) -> None:
    action = _dictionary({"/S": "/JavaScript"})
    action["/JS"] = generic.TextStringObject("app.alert(1)")
    writer.root["/OpenAction"] = action
    writer.update_root()


def other_page_tree(writer: IncrementalPdfFileWriter) -> None:
    tree = generic.DictionaryObject(writer.root["/Pages"])
    writer.root["/Pages"] = writer.add_object(tree)
    writer.update_root()


CHANGES = [
    replaced_page_content,
    overwritten_page_content,
    swapped_font,
    added_annotation,
    added_text_field,
    added_signature_field,
    moved_field,
    removed_field,
    new_appearance_of_a_signature,
    open_action,
    other_page_tree,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_signatures_is_found(contract: FinishedParts, trust: Trust, change: Change) -> None:
    attacked = changed(contract.revisions["student-1-validated"], change)
    finished = asyncio.run(sealed_and_closed(attacked, contract))
    assert Element.TEXT in {finding.element for finding in check_finished(finished, FIELDS)}
    assert Element.TEXT in failed(verify_bytes(finished, trust, Expectation(FIELDS)))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_behind_the_document_timestamp_is_found(contract: FinishedParts, change: Change) -> None:
    attacked = changed(contract.final, change)
    assert Element.TEXT in {finding.element for finding in check_finished(attacked, FIELDS)}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_seal_and_document_timestamp_is_found(contract: FinishedParts, change: Change) -> None:
    attacked = changed(contract.revisions["seal-signed"], change)
    finished = asyncio.run(closed(attacked, contract))
    assert Element.TEXT in {finding.element for finding in check_finished(finished, FIELDS)}


def test_without_a_change_the_same_steps_pass(contract: FinishedParts) -> None:
    finished = asyncio.run(sealed_and_closed(contract.revisions["student-1-validated"], contract))
    assert check_finished(finished, FIELDS) == []


def changed(pdf: bytes, change: Change) -> bytes:
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    change(writer)
    output = io.BytesIO()
    writer.write(output)
    assert output.getvalue().startswith(pdf) and len(output.getvalue()) > len(pdf)
    return output.getvalue()


async def sealed_and_closed(pdf: bytes, contract: FinishedParts) -> bytes:
    pki = contract.pki
    return await closed(await sign(pdf, SEAL, pki.seal_key, pki.seal.chain, pki, final=True), contract)


async def closed(pdf: bytes, contract: FinishedParts) -> bytes:
    pki = contract.pki
    return await close(pdf, pki.timestamps, pki_certificates(pki), [await pki.authority.revocation_list([])])


def _page(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    page = writer.root["/Pages"]["/Kids"][0]
    assert isinstance(page, generic.DictionaryObject)
    return page


def _annotate(writer: IncrementalPdfFileWriter, annotation: generic.DictionaryObject) -> generic.IndirectObject:
    annotation["/Rect"] = generic.ArrayObject(map(generic.NumberObject, (50, 700, 300, 800)))
    reference = writer.add_object(annotation)
    page = _page(writer)
    page.setdefault(pdf_name("/Annots"), generic.ArrayObject())
    page["/Annots"].append(reference)
    writer.update_container(page["/Annots"])
    return reference


def _dictionary(names: dict[str, str]) -> generic.DictionaryObject:
    return generic.DictionaryObject({pdf_name(key): pdf_name(value) for key, value in names.items()})
