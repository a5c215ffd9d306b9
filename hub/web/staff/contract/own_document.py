"""A PDF of the school's own: uploaded and checked, then issued by the usual form, which also asks where people sign."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from aiohttp import web

from hub.errors import BadInput, QiandaError
from hub.lifecycle.contract.lay_out import find_own_document, keep_own_document
from hub.lifecycle.services import Services
from hub.model.contract.own_document import MAX_OWN_DOCUMENT_BYTES, MAX_TITLE_LENGTH, OwnDocument
from hub.web.http.app_keys import RATE_LIMITS
from hub.web.staff.forms import Entered, printable
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

# For each signature field, the field of the form with its place.
PLACES: Final = {
    "place_guardian": "guardian-1",
    "place_guardian2": "guardian-2",
    "place_student": "student-1",
    "place_representative": "representative-1",
    "place_seal": "seal",
}
_PREFIXES: Final = ("page:", "keyword:", "keyword#")


async def upload_form(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    megabytes = MAX_OWN_DOCUMENT_BYTES >> 20
    return await show(visit, "staff/contract/own_document.html", problem=problem, megabytes=megabytes)


async def upload(visit: StaffVisit) -> web.StreamResponse:
    """Check and store the PDF, and redirect to the form. A file that no contract uses is deleted after a day."""
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "check")
    sent = (await visit.request.post()).get("document")
    if not isinstance(sent, web.FileField):
        return await upload_form(visit, BadInput("choose a file first"))
    title = printable(PurePath(sent.filename).stem)[:MAX_TITLE_LENGTH]
    try:
        reference = await keep_own_document(visit.services, sent.file.read())
    except QiandaError as error:
        return await upload_form(visit, error)
    address = visit.request.rel_url.with_path("/staff/issue").with_query(document=reference, document_title=title)
    raise web.HTTPSeeOther(address)


def read_own_document(services: Services, entered: Entered) -> OwnDocument | None:
    """Return the document that the form names; None if it names none. A place without a prefix is a keyword. Raises
    BadInput."""
    if not entered["document"]:
        return None
    title = entered["document_title"].strip()
    if not 0 < len(title) <= MAX_TITLE_LENGTH:
        raise BadInput("a title of up to 60 characters", field="document_title")
    said = {field: entered[name].strip() for name, field in PLACES.items()}
    places = {field: _place(text) for field, text in said.items() if text}
    return OwnDocument(find_own_document(services, entered["document"]), title, places)


def _place(text: str) -> str:
    return text if text.startswith(_PREFIXES) else f"keyword:{text}"
