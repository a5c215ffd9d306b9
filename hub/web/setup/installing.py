"""The end of the set-up: install the school, take the seal's certificate, and close the page for good."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog
from aiohttp import web

from hub.documents.toml_text import write_toml
from hub.errors import BadInput, QiandaError
from hub.setup.answers import compose_school
from hub.setup.check_answers import find_first_faulty_step
from hub.web.pages.doctor_words import say_finding, say_found
from hub.web.pages.fault_words import say_fault, say_step
from hub.web.pages.files import download
from hub.web.pages.render import page, translator
from hub.web.setup.state import STATE, SetupState
from hub.web.setup.steps import progress, show_check

MAX_CERTIFICATE_BYTES = 256 * 1024
MAX_FILES = 10
log = structlog.get_logger()


async def install(request: web.Request) -> web.StreamResponse:
    """Begin to install, unless an answer has a fault or the installation is already under way."""
    state = request.app[STATE]
    if state.installed is None and not state.is_installing:
        if find_first_faulty_step(state.answers, state.file.keys):
            return await show_check(request, status=422)
        state.faults, state.told = [], []
        state.installing = asyncio.create_task(_install(state))
    raise web.HTTPSeeOther("/setup/installing")


async def _install(state: SetupState) -> None:
    try:
        state.installed = await asyncio.to_thread(state.installer.install, state.answers, state.told.append)
    except BadInput as error:
        state.faults = str(error).splitlines() or [error.sentence]
    except (QiandaError, OSError, ValueError) as error:
        sentence = error.detail or error.sentence if isinstance(error, QiandaError) else str(error)
        state.faults = [sentence or type(error).__name__]
    except Exception:
        log.exception("set-up failed")
        state.faults = [QiandaError.sentence]


async def show_installing(request: web.Request) -> web.Response:
    state = request.app[STATE]
    if state.installed:
        raise web.HTTPSeeOther("/setup/done")
    if not state.is_installing:
        raise web.HTTPSeeOther("/setup/check")
    told = [say_step(each, translator(request)) for each in state.told]
    return page(request, "setup/installing.html", told=told, **progress(request, "check"))


async def show_done(request: web.Request, *, fault: str = "", status: int = 200) -> web.Response:
    state = request.app[STATE]
    if state.installed is None:
        raise web.HTTPSeeOther("/setup/check")
    translate, result = translator(request), state.installed
    return page(
        request,
        "setup/done.html",
        status=status,
        result=result,
        seal=[say_found(each, translate) for each in result.seal],
        missing=[say_finding(each, translate) for each in result.missing],
        fault=say_fault(fault, translate) if fault else "",
        **progress(request, "done"),
    )


async def seal_request(request: web.Request) -> web.Response:
    """Return the request for the seal's certificate (PKCS#10)."""
    state = request.app[STATE]
    if state.installed is None or not state.installed.request:
        raise web.HTTPSeeOther("/setup/done")
    return download(state.installed.request, "seal.csr", "application/pkcs10")


async def take_certificate(request: web.Request) -> web.StreamResponse:
    """Take the certificate that the authority issued, with the certificates above it."""
    state = request.app[STATE]
    if state.installed is None:
        raise web.HTTPSeeOther("/setup/check")
    files = [
        (each.filename[:100], each.file.read(MAX_CERTIFICATE_BYTES))
        for each in (await request.post()).getall("certificates", [])[:MAX_FILES]
        if isinstance(each, web.FileField) and each.filename
    ]
    if not files:
        return await show_done(request, fault="choose a file first", status=422)
    try:
        said = await asyncio.to_thread(state.installer.install_certificate, files)
    except (QiandaError, ValueError) as error:
        sentence = f"{error.sentence} {error.detail}".strip() if isinstance(error, QiandaError) else str(error)
        return await show_done(request, fault=sentence, status=422)
    state.installed = replace(state.installed, seal=said, request=b"")
    raise web.HTTPSeeOther("/setup/done")


async def school_file(request: web.Request) -> web.Response:
    """Return the school's file, without secrets. With it, the installation can be repeated."""
    state = request.app[STATE]
    values = compose_school(state.answers, state.file.keys).values
    return download(write_toml(values).encode(), "school.toml", "application/toml")


async def finish(request: web.Request) -> web.Response:
    """Close the page for good. The hub starts, and the person continues in the console."""
    state = request.app[STATE]
    if state.installed is None:
        raise web.HTTPSeeOther("/setup/check")
    response = page(request, "setup/finished.html", result=state.installed, **progress(request, "done"))
    asyncio.get_running_loop().call_later(0.5, state.finished.set)  # after this answer has been sent
    return response
