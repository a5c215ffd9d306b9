"""Build what draws, reads and signs documents."""

from __future__ import annotations

from contextlib import AsyncExitStack

from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_data import SchoolFacts
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.contract.own_pdf import OwnPdfReader
from hub.documents.fonts import ContractFont
from hub.documents.pages import PagePainter
from hub.documents.sealing.seal_upload import PictureReader
from hub.documents.signing.attachment_upload import AttachmentReader
from hub.documents.signing.engine import make_engine
from hub.lifecycle.services import DocumentServices
from hub.model.contract.person import normalise_name, normalise_phone, parse_id_document
from hub.model.contract.signer import Representative
from hub.settings import PACKED, Settings
from hub.store.transaction import Clock


def connect_documents(settings: Settings, closing: AsyncExitStack, clock: Clock) -> DocumentServices:
    writer = ClauseWriter()
    painter = PagePainter()
    seal_pictures, attachments, own_pdfs = PictureReader(), AttachmentReader(), OwnPdfReader()
    for child in (seal_pictures, attachments, own_pdfs, writer, painter):
        closing.callback(child.close)
    templates = ContractTemplates(PACKED / "templates" / "contracts", settings.own_templates("contracts"))
    return DocumentServices(
        school=_school_facts(settings),
        school_called=settings.school.called,
        printer=ContractPrinter(templates, writer, ContractFont()),
        pages=painter,
        pdf_engine=make_engine(settings.pdf_engine, clock),
        seal_pictures=seal_pictures,
        attachments=attachments,
        own_pdfs=own_pdfs,
        representatives=_representatives(settings),
        retention=settings.retention,
    )


def _school_facts(settings: Settings) -> SchoolFacts:
    school = settings.school
    return SchoolFacts(school.name, school.credit_code, school.licence, school.representative)


def _representatives(settings: Settings) -> tuple[Representative, ...]:
    """Return the school's representatives. Raises BadInput for a name, number or document that no contract accepts."""
    found = []
    for number, each in enumerate(settings.representatives):
        where = f"representatives[{number}]"
        name = normalise_name(each.name, field=f"{where}.name")
        phone = normalise_phone(each.phone, field=f"{where}.phone")
        parse_id_document(each.id_type, each.id_number, field=f"{where}.id_number")
        found.append(each.model_copy(update={"name": name, "phone": phone}))
    return tuple(found)
