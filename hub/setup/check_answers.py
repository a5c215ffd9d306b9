"""Find what is wrong with the answers of a step. The rules are those for a school's file; there are no others."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from channels.email import EmailOptions
from channels.sms_twilio import SmsOptions
from hub.demo.guard import check_real
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.school.school_file import read_school
from hub.documents.toml_text import write_toml
from hub.errors import BadInput
from hub.lifecycle.school.apply_school import find_content_faults, find_place_faults
from hub.lifecycle.staff.accounts import NewStaff, check_account
from hub.model.school.school_change import SchoolFault, SchoolFile
from hub.model.staff.password import new_password
from hub.model.staff.roles import StaffRole
from hub.settings import PACKED, Settings
from hub.setup.answers import SetupAnswers, channel_entry, compose_school, missing_answers, pkcs12_bytes
from hub.setup.questions import STEPS, SetupStep
from hub.setup.tables import CAMPUS_TITLES, COURSE_TITLES, read_table
from hub.tokens.csc import CscOptions
from hub.tokens.pkcs12 import read_pkcs12
from qianda.certificate_loading import load_pem_certificates

# For each step, the beginnings of the places in a school's file that belong to it.
PLACES: Mapping[str, tuple[str, ...]] = {
    "origin": ("origin",),
    "organisation": ("school",),
    "campuses": ("campus",),
    "account": ("staff",),
    "courses": ("course", "templates"),
    "seal": ("seal",),
    "timestamps": ("timestamps",),
    "messages": ("channels",),
}
# The steps whose answers appear in contracts.
DRAWN = ("campuses", "courses")
# For the answer to a step's choice, the options of that part.
OPTIONS: Mapping[str, type[BaseModel]] = {"email": EmailOptions, "sms_twilio": SmsOptions, "csc": CscOptions}
_ENTRY = re.compile(r"(campus|course) (\d+)( \([^)]*\))?")


@dataclass(frozen=True)
class AnswerFault:
    """A fault of an answer. `question`: the question's name; empty if it concerns the whole step."""

    question: str
    words: str


def find_step_faults(step: SetupStep, answers: SetupAnswers, keys: Path) -> list[AnswerFault]:
    """Return every fault in the answers of one step, given the present answers of the other steps.

    `keys`: where the secrets would be; nothing is written there.
    """
    given = answers.get(step.name, {})
    faults = [AnswerFault(name, "is missing") for name in missing_answers(step, given)]
    if step.name in ("campuses", "courses") and given.get("table"):
        _, wrong = read_table(given["table"], CAMPUS_TITLES if step.name == "campuses" else COURSE_TITLES)
        if wrong:
            return [*faults, *(AnswerFault("table", each) for each in wrong)]
    if step.name == "account" and not faults:
        faults += _account_faults(given)
    faults += _certificate_faults(step, given)
    if step.name == "seal" and given.get("pkcs12"):
        faults += _pkcs12_faults(given)
    if not faults:
        faults += _option_faults(step, answers)
    known = {each.question for each in faults}
    named = {each.name for each in step.questions}
    drawn = step.name in DRAWN
    found = [each for each in find_file_faults(answers, keys, drawn) if each.place.startswith(PLACES[step.name])]
    about = [_about(each, named, step, answers) for each in dict.fromkeys(found)]
    return [*faults, *(each for each in about if each.question not in known)]


def find_file_faults(answers: SetupAnswers, keys: Path, drawn: bool) -> list[SchoolFault]:
    """Return every fault in the school's file for these answers, which need not be complete.

    `drawn`: also look for missing templates, and for characters that no contract can show, which reads the fonts.
    """
    composed = compose_school(answers, keys)
    file, faults = read_school(write_toml(composed.values))
    settings, found = _read_settings(file)
    faults += found
    if settings is not None and drawn:
        templates = ContractTemplates(PACKED / "templates" / "contracts", settings.own_templates("contracts"))
        faults += find_content_faults(templates.ids(), file)
    if file.campuses:
        faults += find_place_faults(file, {each.id: each for each in file.campuses})
    return faults


def _read_settings(file: SchoolFile) -> tuple[Settings | None, list[SchoolFault]]:
    """Return the settings of a hub with this file, and what is wrong with them."""
    values: dict[str, Any] = {"school": dict(file.organisation)} if file.organisation else {}
    values |= {"origin": file.origin} if file.origin else {}
    with tempfile.TemporaryDirectory() as folder:  # only the owner may read it
        tried = Path(folder) / "tried.toml"
        tried.write_text(write_toml(values | dict(file.configuration)), "utf-8")
        try:
            settings = Settings.of_file(tried)
        except ValidationError as error:
            return None, [
                SchoolFault(", ".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "))
                for each in error.errors()
            ]
    if not (file.organisation and file.origin):
        return settings, []
    try:
        check_real(settings)
    except BadInput as error:
        return settings, [SchoolFault(error.field, str(error))]
    return settings, []


def _about(fault: SchoolFault, named: set[str], step: SetupStep, answers: SetupAnswers) -> AnswerFault:
    """Return a fault with the question to which it belongs, or with the row of the table."""
    last = fault.place.rpartition(", ")[2]
    if "table" in named and (entry := _ENTRY.match(fault.place)):
        titles = CAMPUS_TITLES if step.name == "campuses" else COURSE_TITLES
        rows, _ = read_table(answers[step.name]["table"], titles)
        place = fault.place[entry.end() :].removeprefix(", ").removeprefix("details, ")
        where = f"row {rows[int(entry[2]) - 1].number}{entry[3] or ''}" + (f", {place}" if place else "")
        return AnswerFault("table", f"{where}: {fault.words}")
    if fault.place in ("templates", "origin"):
        return AnswerFault("template" if fault.place == "templates" else "origin", fault.words)
    name = last if last in named else ("table" if "table" in named else "")
    return AnswerFault(name, fault.words if name else str(fault))


def _account_faults(given: Mapping[str, str]) -> list[AnswerFault]:
    account = NewStaff(given["login"], given["name"], "", StaffRole.OWNER)
    try:
        check_account(account, given.get("password") or new_password())
    except BadInput as error:
        return [AnswerFault(error.field, str(error))]
    return []


def _certificate_faults(step: SetupStep, given: Mapping[str, str]) -> list[AnswerFault]:
    found = []
    for each in step.asked(dict(given)):
        if each.kind == "pem" and given.get(each.name):
            try:
                load_pem_certificates(given[each.name].encode())
            except ValueError:
                found.append(AnswerFault(each.name, "is not a certificate in PEM (-----BEGIN CERTIFICATE-----)"))
    return found


def _pkcs12_faults(given: Mapping[str, str]) -> list[AnswerFault]:
    """Return the faults that can be found without the authority. The certificate is checked before installing."""
    try:
        read_pkcs12("the file", pkcs12_bytes(given["pkcs12"]), given.get("password", ""))
    except BadInput as error:
        return [AnswerFault("password" if error.field == "password" else "pkcs12", str(error))]
    return []


def _option_faults(step: SetupStep, answers: SetupAnswers) -> list[AnswerFault]:
    """Return the faults that a provider's own module finds in its options. A check of the school's file misses them."""
    kind = answers.get(step.name, {}).get("kind", "")
    entry: dict[str, Any] = {}
    if step.name == "messages":
        entry = channel_entry(answers)
    elif step.name == "seal" and kind == "csc":
        given = answers["seal"]
        entry = {name: value for name, value in given.items() if name not in ("kind", "trusted")} | {
            "trusted": ["seal.pem"]
        }
    if not entry:
        return []
    try:
        OPTIONS[kind].model_validate(entry)
    except ValidationError as error:
        names = {each.name for each in step.asked(dict(answers[step.name]))}
        found = []
        for each in error.errors(include_input=False):
            option = str(each["loc"][0]) if each["loc"] else ""
            question = next((name for name in names if name == option or (name.endswith(f"_{option}") and option)), "")
            found.append(AnswerFault(question, f"is not accepted: {each['msg'].removeprefix('Value error, ')}"))
        return found
    return []


def find_first_faulty_step(answers: SetupAnswers, keys: Path) -> SetupStep | None:
    """Return the first step that has no answers or wrong ones; None if everything can be installed."""
    return next((each for each in STEPS if each.name not in answers or find_step_faults(each, answers, keys)), None)
