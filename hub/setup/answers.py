"""The answers of a set-up, and the school's file that is made from them. Pure.

The text that a person typed is kept by step and question. A school's file refers to secrets and certificates by file
paths; these files are written when it is installed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.model.reminders.policy import THROUGH
from hub.setup.questions import STEPS, UNSHOWN_KINDS, SetupStep, find_step
from hub.setup.tables import CAMPUS_TITLES, COURSE_TITLES, course_entry, read_table

# In the data folder, below `keys`, so that a backup has them.
SECRETS_FOLDER = "setup"
# For each step, the person's answers by question.
SetupAnswers = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class ComposedSchool:
    """A school's file as values, and the files to which it refers, by path.

    `passing`: those that are deleted after the school is installed.
    """

    values: Mapping[str, Any]
    files: Mapping[Path, bytes] = field(default_factory=dict)
    passing: Mapping[Path, bytes] = field(default_factory=dict, repr=False)


def compose_school(answers: SetupAnswers, keys: Path) -> ComposedSchool:
    """Return the file for these answers, which need not be complete. `keys`: the folder for secrets."""
    files: dict[Path, bytes] = {}

    def put(step: str, name: str) -> str:
        """Plan a file with an answer as its content. Return its path."""
        path = keys / SECRETS_FOLDER / f"{step}-{name}"
        files[path] = f"{_answers(answers, step)[name]}\n".encode()
        return str(path)

    values: dict[str, Any] = {}
    if origin := _answers(answers, "origin").get("origin"):
        values["origin"] = origin.rstrip("/")
    if organisation := _answers(answers, "organisation"):
        values["school"] = {name: value for name, value in organisation.items() if value}
    values["campus"] = compose_campuses(answers)
    values["course"] = compose_courses(answers)
    if template := _answers(answers, "courses").get("template"):
        values["templates"] = [template]
    if account := _answers(answers, "account"):
        values["staff"] = {name: account[name] for name in ("login", "name") if account.get(name)}
    configuration = {
        "seal": _seal(answers, put),
        "timestamps": _timestamps(answers, put),
        "channels": _channels(answers, put),
        "reminders": _reminders(answers),
    }
    passing: dict[Path, bytes] = {}
    if kind := _answers(answers, "seal").get("kind"):
        values["seal"] = {"kind": kind if kind in ("request", "pkcs12") else "builtin"}
    if kind == "pkcs12":
        passing = _pkcs12_files(_answers(answers, "seal"), keys / SECRETS_FOLDER)
        values["seal"] |= dict(zip(("file", "password_file", "above"), map(str, passing), strict=False))
    values["configuration"] = {name: value for name, value in configuration.items() if value}
    return ComposedSchool({name: value for name, value in values.items() if value}, files, passing)


def _pkcs12_files(given: Mapping[str, str], folder: Path) -> dict[Path, bytes]:
    """Return the key's file, the one with its password, and the one with the certificates above, if they were given."""
    found = {
        folder / "seal.p12": pkcs12_bytes(given.get("pkcs12", "")),
        folder / "seal-password": f"{given.get('password', '')}\n".encode(),
    }
    return found | ({folder / "seal-above.pem": given["above"].encode()} if given.get("above") else {})


def pkcs12_bytes(answer: str) -> bytes:
    """Return the content of an uploaded file; empty if the answer is not base 64."""
    try:
        return base64.b64decode(answer, validate=True)
    except ValueError:
        return b""


def compose_campuses(answers: SetupAnswers) -> list[dict[str, Any]]:
    rows, _ = read_table(_answers(answers, "campuses").get("table", ""), CAMPUS_TITLES)
    return [dict(row.values) for row in rows]


def compose_courses(answers: SetupAnswers) -> list[dict[str, Any]]:
    given = _answers(answers, "courses")
    if not given.get("table", "").strip():
        return []
    rows, _ = read_table(given["table"], COURSE_TITLES)
    return [course_entry(row, given.get("template", "")) for row in rows]


def channel_entry(answers: SetupAnswers) -> dict[str, Any]:
    """Return the options of the only provider, including its secrets; empty if there is none."""
    given = _answers(answers, "messages")
    match given.get("kind"):
        case "email":
            entry = _given(given, "host", "security", "username", "password") | {"sender": given.get("mail_sender", "")}
            port = given.get("port", "")
            return entry | ({"port": int(port) if port.isdecimal() else port} if port else {})
        case "sms_twilio":
            return _given(given, "account", "auth_token", "base_url") | {"sender": given.get("sms_sender", "")}
    return {}


def next_step(answers: SetupAnswers) -> SetupStep | None:
    """Return the first step without answers; None if there is none."""
    return next((each for each in STEPS if each.name not in answers), None)


def kept_answers(step: SetupStep, entered: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return the answers to keep from a form: those to questions that are asked.

    A secret answer is never shown again. If its field was left empty, the former answer stays.
    """
    found = {each.name: entered.get(each.name, "").strip() for each in step.questions}
    for each in step.questions:
        if each.kind in UNSHOWN_KINDS and not found[each.name]:
            found[each.name] = before.get(each.name, "")
    asked = {each.name for each in step.asked(found)}
    return {name: value for name, value in found.items() if name in asked and value}


def missing_answers(step: SetupStep, given: Mapping[str, str]) -> list[str]:
    """Return the names of questions that need an answer and have none."""
    return [each.name for each in step.asked(dict(given)) if each.required and not given.get(each.name)]


def _seal(answers: SetupAnswers, put: Any) -> dict[str, Any]:
    given = _answers(answers, "seal")
    if given.get("kind") != "csc":
        return {}
    entry: dict[str, Any] = {"kind": "csc"} | _given(given, "url", "credential", "token_url", "client_id")
    entry |= {f"{name}_file": put("seal", name) for name in ("client_secret", "pin") if given.get(name)}
    return entry | ({"trusted": [put("seal", "trusted")]} if given.get("trusted") else {})


def _timestamps(answers: SetupAnswers, put: Any) -> dict[str, Any]:
    given = _answers(answers, "timestamps")
    if given.get("kind") != "rfc3161":
        return {}
    certificates = [put("timestamps", "certificates")] if given.get("certificates") else []
    return {"kind": "rfc3161", "url": given.get("url", ""), "certificates": certificates}


def _channels(answers: SetupAnswers, put: Any) -> dict[str, Any]:
    entry = channel_entry(answers)
    if not entry:
        return {}
    for name in ("password", "auth_token"):
        if entry.pop(name, None):
            entry[f"{name}_file"] = put("messages", name)
    return {_answers(answers, "messages")["kind"]: entry}


def _reminders(answers: SetupAnswers) -> dict[str, Any]:
    """Return the reminder settings. If e-mail is the only channel, it comes first for everybody."""
    if _answers(answers, "messages").get("kind") != "email":
        return {}
    return {key: ["email"] for key in THROUGH}


def _given(values: Mapping[str, str], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if values.get(name)}


def _answers(answers: SetupAnswers, step: str) -> Mapping[str, str]:
    assert find_step(step) is not None
    return answers.get(step, {})
