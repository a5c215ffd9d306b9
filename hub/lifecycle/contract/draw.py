"""Draw a contract: check the input, set the terms, lay out the document. Stores nothing but the number it takes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from hub.documents.contract.contract_data import ContractData
from hub.documents.contract.contract_templates import DEMANDS, ContractTemplate, TemplateDemands
from hub.documents.contract.layout import POINTS, REHEARSAL_TITLE, LaidOut
from hub.documents.signing.signature import FieldBox
from hub.errors import ApprovalNeeded, BadInput
from hub.lifecycle.contract.end import check_deadline
from hub.lifecycle.contract.name_copies import name_copies
from hub.lifecycle.contract.new_contract import (
    DEFAULT_TEMPLATE,
    NewContract,
    NewSigner,
    drop_wrong_email,
    signer_of,
    student_of,
)
from hub.lifecycle.contract.template_in_force import TemplateInForce, get_template_in_force, needs_approval
from hub.lifecycle.contract.terms import (
    COURSE_TERMS,
    LANGUAGES,
    DrawnSigner,
    DrawnTerms,
    check_age,
    check_new_student,
    check_student,
    contract_data,
    digest_terms,
    has_terms_of,
    summary,
)
from hub.lifecycle.services import Services
from hub.model.contract.asked_field import UNANSWERED
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.contract_copy import CopyRecipient, read_copies, write_copies
from hub.model.contract.own_document import OWN_TEMPLATE, OwnDocument
from hub.model.contract.person import check_address, normalise_name, normalise_phone, parse_id_document
from hub.model.contract.signer import Representative, Role, Signer
from hub.model.school.course import Campus, Course
from hub.model.school.entered_day import default_deadline
from hub.model.signing.signature_request import SEAL_FIELD
from hub.store.transaction import Transaction

CHANNELS = ("sms", "voice", "email")


@dataclass(frozen=True)
class DrawnContract:
    """Validated input with everything needed for the layout. `template`: in the contract's language. `with_ofd`: the
    contract is issued as OFD beside the PDF. `copies`: who gets the completed contract besides its signers."""

    asked: NewContract
    terms: DrawnTerms
    template: ContractTemplate
    demands: TemplateDemands
    now: datetime
    deadline: datetime
    data: ContractData
    with_ofd: bool = False
    copies: tuple[CopyRecipient, ...] = ()

    @property
    def language(self) -> str:
        return self.template.language


async def draw_contract(
    services: Services, tx: Transaction, asked: NewContract, number: str | None = None
) -> DrawnContract:
    """Check the input and set the terms. `number`: the contract's number; None takes the next number, which is never
    used again.

    Raises BadInput (with the field), GuardianRequired, ApprovalNeeded.
    """
    if not tx.scope.covers(asked.campus):
        raise BadInput(f"there is no campus {asked.campus}", field="campus")
    campus, course = await tx.school.get_campus_and_course(asked.campus, asked.course)
    asked = dataclasses.replace(asked, template=_template_named(asked, course))
    template = await get_template_in_force(services, tx, asked.template)
    if course is None and template.needs_course:
        raise BadInput("this template needs a course", field="course")
    if number is None and not await _may_issue(services, tx, asked, (campus, course), template):
        raise ApprovalNeeded
    signers = _checked_signers(await with_representative(services, tx, asked, template))
    language = _language(template, signers)
    student = check_new_student(asked.student)
    now = tx.planning_now
    on = now.astimezone(ZoneInfo(campus.zone)).date()
    check_student(student, signers)
    check_age(student, signers, on)
    if asked.deadline is not None:
        check_deadline(asked.deadline, now)
    deadline = asked.deadline or default_deadline(on, campus.zone)
    copies = await name_copies(services, tx, (asked.campus, asked.copies), template, signers)
    number = number or await tx.contracts.take_number(on.year)  # last, so that a refusal wastes no number
    terms = DrawnTerms(
        number,
        now.replace(microsecond=0),
        on,
        services.documents.school,
        campus,
        course,
        student,
        signers,
        dict(asked.data) | blank_answers(template.languages[language]),
        asked.rehearsal,
    )
    demands = TemplateDemands.of(template.languages, language)
    drawn_by = template.languages[language]
    with_ofd = is_with_ofd(asked, course, drawn_by)
    data = contract_data(terms, language)
    return DrawnContract(asked, terms, drawn_by, demands, now, deadline, data, with_ofd, copies)


def is_with_ofd(asked: NewContract, course: Course | None, template: ContractTemplate) -> bool:
    """Return whether an OFD is issued beside the PDF. A course decides for its own contract, not for companions. Raises
    BadInput for a template with fields for the signer to fill in: the text of the OFD would not be fixed when the
    contract is issued."""
    of_course = None if course is None or asked.companion else course.with_ofd
    wanted = template.with_ofd if of_course is None else of_course
    if asked.document is not None:  # an uploaded PDF cannot be converted
        return False
    if wanted and template.asks:
        raise BadInput("a contract whose signer fills in fields is issued as PDF alone", field="template")
    return wanted


def _template_named(asked: NewContract, course: Course | None) -> str:
    if asked.document is not None:
        return OWN_TEMPLATE
    return asked.template or (course and course.template) or DEFAULT_TEMPLATE


def blank_answers(template: ContractTemplate) -> dict[str, dict[str, str]]:
    """Return what the document shows for the fields that its signer has not filled in yet."""
    blanks = {field.name: UNANSWERED[template.language] for field in template.asks}
    return {"answers": blanks} if blanks else {}


async def _may_issue(
    services: Services,
    tx: Transaction,
    asked: NewContract,
    taught: tuple[Campus, Course | None],
    template: TemplateInForce,
) -> bool:
    """Return whether the contract may be issued. One that needs approval must be approved, be a rehearsal, or replace a
    contract with the same people, text and terms."""
    campus, course = taught
    needed = template.needs_approval or (course is not None and course.needs_approval)
    if asked.document is not None and course is not None:  # its PDF replaces a text that may require approval
        needed = needed or await needs_approval(services, tx, course)
    if not needed or asked.approved or asked.rehearsal:
        return True
    if asked.replaces is None:
        return False
    old = await tx.contracts.get(asked.replaces)
    return repeats(asked, old, template) and has_terms_of(old, course, campus)


def repeats(asked: NewContract, old: Contract, template: TemplateInForce) -> bool:
    """Return whether the new contract has the same people, text and copies as the old one. Phone numbers are not
    compared, because a number on file changes only with the approval of two people."""
    before = old.data.get("asked")
    present = template.languages.get(old.language)
    if before is None or present is None or (asked.template, present.version) != (old.template, old.template_version):
        return False
    if asked.document != (OwnDocument(**before["document"]) if before.get("document") else None):
        return False
    if tuple(asked.copies) != read_copies(before.get("copies", ())):
        return False
    same_course = (asked.campus, asked.course, asked.data) == (before["campus"], before["course"], before["data"])
    if not same_course or asked.student != student_of(before["student"]):
        return False
    return _people_of(asked.signers) == _people_of([signer_of(each) for each in before["signers"]])


def _people_of(signers: Sequence[NewSigner]) -> list[NewSigner]:
    return [dataclasses.replace(drop_wrong_email(each), phone="") for each in signers]


def check_people(asked: NewContract, on: date) -> None:
    """Check the student and the signers as `draw_contract` does. `on`: today's date at the campus. Raises BadInput,
    GuardianRequired."""
    signers, student = _checked_signers(asked.signers), check_new_student(asked.student)
    check_student(student, signers)
    check_age(student, signers, on)


async def with_representative(
    services: Services, tx: Transaction, asked: NewContract, template: TemplateInForce
) -> Sequence[NewSigner]:
    """Return the signers, followed by the school's representative if one is required and none is named."""
    named = any(each.role is Role.REPRESENTATIVE for each in asked.signers)
    if named or not (template.needs_representative or asked.representative):
        return asked.signers
    found = await _find_representative(services, tx, asked.campus)
    if found is None:
        why = "no representative of the school is configured for this campus:"
        raise BadInput(f"{why}\n{asked.campus}", field="representative")
    last = max((each.order for each in asked.signers), default=0) + 1
    return (*asked.signers, NewSigner.of(found, role=Role.REPRESENTATIVE, order=last))


async def _find_representative(services: Services, tx: Transaction, campus: str) -> Representative | None:
    """Return the representative configured for this campus, or for the nearest one above it."""
    by_campus = {each.campus: each for each in services.documents.representatives}
    above = await tx.school.list_campuses_above(campus) if by_campus else ()
    return next((by_campus[at] for at in above if at in by_campus), None)


def _checked_signers(asked: Sequence[NewSigner]) -> tuple[DrawnSigner, ...]:
    if not asked:
        raise BadInput("at least one signer is needed", field="signers")
    counts = dict.fromkeys(Role, 0)
    drawn = []
    for number, signer in enumerate(asked):
        where = f"signers[{number}]"
        counts[signer.role] += 1
        drawn.append(_checked_signer(signer, f"{signer.role.value}-{counts[signer.role]}", where))
    documents = [signer.document for signer in drawn]
    if len(set(documents)) < len(documents):
        raise BadInput("the same person is named twice among the signers", field="signers")
    return tuple(drawn)


def _checked_signer(signer: NewSigner, field_name: str, where: str) -> DrawnSigner:
    if signer.language not in LANGUAGES:
        raise BadInput(f"language is one of {', '.join(LANGUAGES)}", field=f"{where}.language")
    if unknown := [channel for channel in signer.channels if channel not in CHANNELS]:
        raise BadInput(f"there is no channel {unknown[0]}", field=f"{where}.channels")
    if not signer.channels:
        raise BadInput("at least one channel is needed", field=f"{where}.channels")
    if "email" in signer.channels and not signer.email:
        raise BadInput("the channel email needs an e-mail address", field=f"{where}.email")
    email = check_address(signer.email, field=f"{where}.email") if signer.email else None
    return DrawnSigner(
        role=signer.role,
        name=normalise_name(signer.name, field=f"{where}.name"),
        phone=normalise_phone(signer.phone, field=f"{where}.phone"),
        document=parse_id_document(signer.id_type, signer.id_number, field=f"{where}.id_number"),
        order=signer.order,
        language=signer.language,
        channels=tuple(signer.channels),
        field=field_name,
        email=email,
        relation=signer.relation,
    )


def _language(template: TemplateInForce, signers: Sequence[DrawnSigner]) -> str:
    """Return the common language of the signers if the template has it; otherwise Chinese."""
    wanted = {signer.language for signer in signers if signer.role is not Role.REPRESENTATIVE}
    if not template.languages:
        raise BadInput(f"there is no contract template {template.id}", field="template")
    return next(iter(wanted)) if len(wanted) == 1 and wanted <= template.languages.keys() else "zh"


# ---- drafts


def lay_out_contract(services: Services, drawn: DrawnContract) -> tuple[LaidOut, bytes]:
    """Return the layout, and the PDF with its empty signature fields. It is slow: call it in a thread. Raises
    UndrawableText, TemplateFailed, and BadInput if the data lacks what the template needs."""
    laid_out = services.documents.printer.lay_out_by(drawn.template, drawn.data)
    return laid_out, add_signature_fields(services, laid_out)


def add_signature_fields(services: Services, laid_out: LaidOut) -> bytes:
    """Return the PDF with its empty signature fields, the seal's last. It is slow: call it in a thread."""
    boxes = [
        FieldBox(box.name, box.page, box.x1, box.y1, box.x2, box.y2, box.name == SEAL_FIELD)
        for box in sorted(laid_out.boxes, key=lambda box: (box.name == SEAL_FIELD, box.name))
    ]
    return services.documents.pdf_engine.with_signature_fields(laid_out.pdf, boxes)


def draft_contract(drawn: DrawnContract, laid_out: LaidOut) -> Contract:
    shown = {
        "summary": {language: _summary(drawn, language) for language in LANGUAGES},
        "text": plain_blocks(laid_out),
        "course_name": _subject(drawn, laid_out, "zh"),
        "course_name_en": _subject(drawn, laid_out, "en"),
        "student_name": drawn.terms.student.name,
        DEMANDS: drawn.demands.to_dict(),
        "asked": json.loads(json.dumps(dataclasses.asdict(drawn.asked), default=str)),
    }
    if drawn.terms.course:
        shown[COURSE_TERMS] = digest_terms(drawn.terms.course, drawn.terms.campus)
    if drawn.copies:
        shown["copies"] = write_copies(each for each in drawn.copies if each.email)
    if drawn.template.asks:
        shown["to_fill_in"] = {"template": drawn.template.keep(), "terms": drawn.data.values()}
    if drawn.with_ofd:
        shown["seal_place"] = _seal_place(laid_out)
    return Contract(
        id=uuid4(),
        number=drawn.terms.number,
        campus=drawn.terms.campus.id,
        state=ContractState.DRAFT,
        version=0,
        template=drawn.asked.template,
        template_version=drawn.template.version,
        language=drawn.language,
        title=laid_out.title,
        deadline=drawn.deadline,
        created_at=drawn.now,
        course=drawn.asked.course,
        external_id=drawn.asked.external_id,
        enrolment=drawn.asked.enrolment,
        data=shown,
        pages=laid_out.pages,
        fields=tuple(signer.field for signer in drawn.terms.signers),
        replaces=drawn.asked.replaces,
        set_id=drawn.asked.set_id,
        asks=bool(drawn.template.asks),
    )


def plain_blocks(laid_out: LaidOut) -> list[dict[str, Any]]:
    """Return the text version as JSON."""
    return [{"kind": type(block).__name__.lower(), **vars(block)} for block in laid_out.text]


def _seal_place(laid_out: LaidOut) -> dict[str, float]:
    """Return the page (from 0) and the middle of the seal's box in mm from the page's lower left corner."""
    box = next(box for box in laid_out.boxes if box.name == SEAL_FIELD)
    return {"page": box.page, "x": (box.x1 + box.x2) / 2 / POINTS, "y": (box.y1 + box.y2) / 2 / POINTS}


def _subject(drawn: DrawnContract, laid_out: LaidOut, language: str) -> str:
    """Return the contract's name in messages and lists: the course's name, or the title of a companion, of the school's
    own PDF, or of a contract without a course. A rehearsal is marked."""
    if drawn.terms.course is None or drawn.asked.companion or drawn.asked.document:
        return laid_out.title
    name = drawn.terms.course.name_en if language == "en" else drawn.terms.course.name
    return REHEARSAL_TITLE[language].format(title=name) if drawn.terms.rehearsal else name


def _summary(drawn: DrawnContract, language: str) -> list[dict[str, str]]:
    """Return the summary in the reader's language, which may differ from that of the contract."""
    data = drawn.data if language == drawn.language else contract_data(drawn.terms, language)
    return summary(data, language)


def _person(tx: Transaction, asked: NewContract, signer: DrawnSigner) -> str:
    person = tx.cipher.person(signer.document.id_type, signer.document.number)
    return tx.cipher.declared(person, signer.phone) if signer.document.number in asked.declared else person


def draft_signer(tx: Transaction, contract: Contract, drawn: DrawnContract, asked: DrawnSigner) -> Signer:
    return Signer(
        id=uuid4(),
        contract=contract.id,
        campus=contract.campus,
        role=asked.role,
        name=asked.name,
        phone=asked.phone,
        person=_person(tx, drawn.asked, asked),
        id_type=asked.document.id_type,
        id_number=asked.document.number,
        order=asked.order,
        language=asked.language,
        field=asked.field,
        channels=asked.channels,
        zone=drawn.terms.campus.zone,
        email=asked.email,
        relation=asked.relation,
    )
