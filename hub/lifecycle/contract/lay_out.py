"""Lay out a drawn contract: by its template, or as the school's own PDF with places for the signatures."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from hub.documents.contract.layout import LaidOut
from hub.documents.contract.own_pdf import AboutDocument
from hub.errors import BadInput
from hub.lifecycle.contract.draw import DrawnContract, add_signature_fields, lay_out_contract
from hub.lifecycle.services import Services
from hub.model.contract.own_document import OWN_TEMPLATE, OwnDocument
from hub.model.signing.signature_request import SEAL_FIELD

# A reference ends with this many hex digits of a keyed hash, which prove that the hub made it.
MARK_LENGTH: Final = 16


async def lay_out(services: Services, drawn: DrawnContract) -> tuple[LaidOut, bytes]:
    """Return the layout, and the PDF with its empty signature fields.

    Raises UndrawableText, TemplateFailed, and BadInput if the data lacks what the template needs, or the place of a
    signature is missing or not in the PDF.
    """
    own = drawn.asked.document
    if own is None:
        return await asyncio.to_thread(lay_out_contract, services, drawn)
    wanted = {SEAL_FIELD, *(signer.field for signer in drawn.terms.signers)}
    if missing := sorted(wanted - own.places.keys()):
        raise BadInput(f"the document has no place for:\n{', '.join(missing)}", field="places")
    if unknown := sorted(own.places.keys() - wanted):
        raise BadInput(f"nobody signs at this place:\n{', '.join(unknown)}", field="places")
    pdf = await services.files.get(own.sha256)

    def written() -> tuple[LaidOut, bytes]:
        about = AboutDocument(drawn.terms.number, drawn.terms.school.name, drawn.language)
        laid_out = services.documents.own_pdfs.lay_out(pdf, own, about)
        return laid_out, add_signature_fields(services, laid_out)

    return await services.documents.own_pdfs.in_turn(written)


async def keep_own_document(services: Services, uploaded: bytes) -> str:
    """Check a PDF and store it. Return the reference for `NewContract.document`. A file that no contract uses is
    deleted after a day. Raises BadInput (`document`)."""
    reader = services.documents.own_pdfs
    plain = await reader.in_turn(partial(reader.check, uploaded))
    sha256 = await services.files.put(plain)
    return f"{sha256}-{_mark(services, sha256)}"


def find_own_document(services: Services, reference: str) -> str:
    """Return the SHA-256 of a file by the reference that `keep_own_document` gave. Raises BadInput (`document`)."""
    sha256, _, mark = reference.partition("-")
    if mark != _mark(services, sha256):
        raise BadInput("there is no such document: upload it again", field="document")
    return sha256


def _mark(services: Services, sha256: str) -> str:
    return services.database.cipher.found_by(OWN_TEMPLATE, sha256).hex()[:MARK_LENGTH]


__all__ = ["OwnDocument", "find_own_document", "keep_own_document", "lay_out"]
