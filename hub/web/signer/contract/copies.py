"""Show the page of a copy, which asks for the end of the student's document number, and serve the completed file."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from hub.errors import LinkNotValid, Locked, QiandaError, WrongAnswer
from hub.lifecycle.contract.open_copy import find_copy_link, open_copy
from hub.model.contract.contract_copy import ASKED_CHARACTERS
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.problems import status_of
from hub.web.pages.files import PDF, download
from hub.web.pages.i18n import chosen_language
from hub.web.pages.render import page

ADDRESS = "/copy/{contract}/{ticket}"
# The most characters of an answer that are read.
MAX_ANSWER_LENGTH = 40
# A longer form is not read to its end: anybody can send one.
MAX_FORM_BYTES = 4 * 1024


def routes() -> Iterable[web.AbstractRouteDef]:
    return [web.get(ADDRESS, form), web.post(ADDRESS, take)]


async def form(request: web.Request) -> web.Response:
    """Show the question. Nothing about the contract is shown before it is answered."""
    await request.app[RATE_LIMITS].slow_down(request, "copy")
    try:
        link = await find_copy_link(request.app[HUB].services, *_address(request))
    except LinkNotValid as error:
        return _page(request, error)
    return _page(request, language=link.language)


async def take(request: web.Request) -> web.Response:
    """Serve the file for a right answer; show the page again for a wrong one."""
    await request.app[RATE_LIMITS].slow_down(request, "copy")
    form = await request.clone(client_max_size=MAX_FORM_BYTES).post()
    answer = str(form.get("answer", ""))[:MAX_ANSWER_LENGTH]
    services, (contract, ticket) = request.app[HUB].services, _address(request)
    language = None
    try:
        link = await find_copy_link(services, contract, ticket)
        language = link.language
        content = await open_copy(services, contract, ticket, answer)
    except (LinkNotValid, WrongAnswer, Locked) as error:
        return _page(request, error, language)
    return download(content, f"{link.contract.number}.pdf", PDF)


def _address(request: web.Request) -> tuple[str, str]:
    return request.match_info["contract"], request.match_info["ticket"]


def _page(request: web.Request, error: QiandaError | None = None, language: str | None = None) -> web.Response:
    """Show the page in the language that the visitor chose, otherwise in that of the e-mail."""
    status = status_of(error) if error else 200
    trouble, spoken = error.code if error else "", chosen_language(request) or language
    return page(
        request, "signer/copy.html", status=status, language=spoken, trouble=trouble, characters=ASKED_CHARACTERS
    )
