"""The steps of the set-up page. Each step is a page and may be opened again. A fault is shown at its question."""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from hub.errors import NotFound, UnreadableFile
from hub.setup.answers import kept_answers, next_step
from hub.setup.check_answers import AnswerFault, find_step_faults
from hub.setup.look_at_origin import FROM_HERE, look_at_origin
from hub.setup.questions import STEPS, UNSHOWN_KINDS, SetupQuestion, SetupStep, find_step
from hub.setup.tables import read_upload
from hub.web.pages.fault_words import say_fault
from hub.web.pages.i18n import Translate, language_of
from hub.web.pages.render import page, translator
from hub.web.setup.state import STATE
from qianda.verify.reasons import OWNED_DECLARED, OWNED_TRIAL

MAX_TEXT_LENGTH = 500
MAX_LINES_LENGTH = 2 * 1024 * 1024
# What `qianda verify` will say about the seal, by the kind that is chosen. The page shows it beside each choice.
SEAL_REASONS = {"builtin": OWNED_TRIAL, "request": OWNED_DECLARED, "pkcs12": OWNED_DECLARED, "csc": OWNED_DECLARED}


async def show_step(request: web.Request) -> web.Response:
    state, step = request.app[STATE], _step(request)
    return _page(request, step, dict(state.answers.get(step.name, {})), [])


async def answer_step(request: web.Request) -> web.StreamResponse:
    """Keep the answers and show the next step. If there is a fault, ask again and say why."""
    state, step = request.app[STATE], _step(request)
    try:
        entered = await _entered(request, step)
    except UnreadableFile as error:
        words = error.detail or error.sentence
        return _page(request, step, dict(state.answers.get(step.name, {})), [AnswerFault("table", words)], status=422)
    given = kept_answers(step, entered, state.answers.get(step.name, {}))
    faults = find_step_faults(step, {**state.answers, step.name: given}, state.file.keys)
    if faults:
        return _page(request, step, {**entered, **given}, faults, status=422)
    if step.name == "messages" and given != state.answers.get(step.name):
        state.trial = None
    state.keep(step.name, given)
    if step.name == "origin":
        state.looked = await look_at_origin(given["origin"], state.mark, state.clock())
        raise web.HTTPSeeOther("/setup/origin")
    if step.name == "messages" and given["kind"] != "none":
        raise web.HTTPSeeOther("/setup/trial")
    raise web.HTTPSeeOther(following(step))


async def show_origin(request: web.Request) -> web.Response:
    """Show what this machine sees at the public address."""
    state = request.app[STATE]
    return page(request, "setup/origin.html", looked=state.looked, from_here=FROM_HERE, **progress(request, "origin"))


async def show_check(request: web.Request, *, status: int = 200) -> web.Response:
    """Show all answers, and what is still wrong, before anything is installed."""
    state, translate = request.app[STATE], translator(request)
    faulty = {}
    for step in STEPS:
        if step.name not in state.answers:
            faulty[step.name] = [translate("is missing")]
        elif faults := find_step_faults(step, state.answers, state.file.keys):
            faulty[step.name] = [say_fault(each.words, translate) for each in faults]
    summary = [
        (step, _summary(step, state.answers.get(step.name, {}), translate), faulty.get(step.name, [])) for step in STEPS
    ]
    seen = state.answers.get("messages", {}).get("kind") == "none" or bool(state.trial and state.trial.seen)
    failed = [say_fault(each, translate) for each in state.faults]
    return page(
        request,
        "setup/check.html",
        status=status,
        summary=summary,
        ready=not faulty,
        seen=seen,
        failed=failed,
        **progress(request, "check"),
    )


def following(step: SetupStep) -> str:
    """Return the address of the page after this step."""
    place = STEPS.index(step) + 1
    return f"/setup/steps/{STEPS[place].name}" if place < len(STEPS) else "/setup/check"


def first_page(request: web.Request) -> str:
    """Return the page on which the person continues: the first step without an answer, or a later page."""
    state = request.app[STATE]
    if state.installed:
        return "/setup/done"
    if state.is_installing:
        return "/setup/installing"
    step = next_step(state.answers)
    return f"/setup/steps/{step.name}" if step else "/setup/check"


def progress(request: web.Request, here: str) -> dict[str, Any]:
    answers = request.app[STATE].answers
    return {"steps": STEPS, "here": here, "answered": set(answers)}


def _step(request: web.Request) -> SetupStep:
    step = find_step(request.match_info["step"])
    if step is None:
        raise NotFound("there is no such step")
    return step


async def _entered(request: web.Request, step: SetupStep) -> dict[str, str]:
    """Return the typed answers. An uploaded spreadsheet replaces the text of a table. Raises UnreadableFile."""
    form = await request.post()
    found: dict[str, str] = {}
    for each in step.questions:
        most = MAX_LINES_LENGTH if each.kind in ("table", "pem") else MAX_TEXT_LENGTH
        value = form.get(each.name, "")
        text = value if isinstance(value, str) else ""
        found[each.name] = "".join(part for part in text if part.isprintable() or part in "\n\t")[:most]
        upload = form.get(f"{each.name}-file")
        if isinstance(upload, web.FileField) and upload.filename:
            data = upload.file.read(MAX_LINES_LENGTH + 1)
            found[each.name] = _read_file(each, data, most)
    return found


def _read_file(question: SetupQuestion, data: bytes, most: int) -> str:
    match question.kind:
        case "table":
            return read_upload(data)
        case "pkcs12":
            return base64.b64encode(data).decode()
    return data[:most].decode("ascii", "replace")


def _page(
    request: web.Request, step: SetupStep, given: dict[str, str], faults: list[AnswerFault], *, status: int = 200
) -> web.Response:
    translate = translator(request)
    wrong: dict[str, list[str]] = {}
    for fault in faults:
        wrong.setdefault(fault.question, []).append(say_fault(fault.words, translate))
    open_ones = [each for each in step.questions if each.kind != "secret"]
    values = {each.name: given.get(each.name) or _default(each, translate) for each in open_ones}
    kept = {each.name for each in step.questions if each.kind in UNSHOWN_KINDS and given.get(each.name)}
    place = STEPS.index(step)
    before = f"/setup/steps/{STEPS[place - 1].name}" if place else ""
    chinese = language_of(request) == "zh"
    reasons = {value: reason.zh if chinese else reason.en for value, reason in SEAL_REASONS.items()}
    return page(
        request,
        "setup/step.html",
        status=status,
        step=step,
        values=values,
        kept=kept,
        wrong=wrong,
        before=before,
        reasons=reasons if step.name == "seal" else {},
        **progress(request, step.name),
    )


def _default(question: SetupQuestion, translate: Translate) -> str:
    """Return the default answer. For a table, it consists of the column titles in the reader's language."""
    return translate(question.default) if question.kind == "table" else question.default


def _summary(step: SetupStep, given: dict[str, str], translate: Translate) -> list[tuple[str, str]]:
    """Return the questions and the answers to show. Secrets are never shown, and of a table only the number of rows."""
    shown = []
    for each in step.asked(given):
        value = given.get(each.name, "")
        if not value or each.kind in UNSHOWN_KINDS:
            continue
        if each.kind == "choice":
            value = next((translate(one.words) for one in each.choices if one.value == value), value)
        if each.kind == "table":
            value = str(max(0, len([line for line in value.splitlines() if line.strip(" ,;\t")]) - 1))
        shown.append((each.words, value))
    return shown
