"""Issue a contract: draw and lay it out, add its signature fields, write it, and open its first tasks."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.documents.contract_data import ContractData
from hub.documents.layout import LaidOut
from hub.documents.signature import FieldBox
from hub.errors import BadInput, Conflict
from hub.lifecycle.contract.end import Ending, check_deadline, end
from hub.lifecycle.contract.new_contract import NewContract, NewSigner
from hub.lifecycle.contract.representatives import representative_at
from hub.lifecycle.contract.terms import (
    DrawnSigner,
    DrawnStudent,
    DrawnTerms,
    check_age,
    check_student,
    contract_data,
    summary,
)
from hub.lifecycle.services import Services
from hub.lifecycle.signing.signing_order import Invitation, open_next
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.person import normalise_name, normalise_phone, parse_id_document
from hub.model.contract.signer import Role, Signer, SigningTask, TaskState
from hub.model.signing.signature_request import SEAL_FIELD
from hub.model.staff.accounts import Scope
from hub.store.evidence.record import PersonalValue
from hub.store.transaction import Transaction

DEFAULT_DEADLINE = timedelta(days=30)
LANGUAGES = ("zh", "en")
CHANNELS = ("sms", "voice", "email")
SALT_BYTES = 32
# Final states in which a contract may still be replaced; an issued one is voided for it.
REPLACEABLE = (ContractState.DECLINED, ContractState.EXPIRED, ContractState.VOIDED)


@dataclass(frozen=True)
class _Drawn:
    """Validated input with everything needed for the layout."""

    asked: NewContract
    terms: DrawnTerms
    language: str
    now: datetime
    deadline: datetime
    data: ContractData


@dataclass(frozen=True)
class PreparedContract:
    """A contract with its stored file, but without a row in the database yet."""

    drawn: _Drawn
    laid_out: LaidOut
    sha256: str
    size: int


async def issue(services: Services, scope: Scope, asked: NewContract, actor: str, *, hold: bool = False) -> Contract:
    """Draw and issue a contract. Raises as `prepare_contract` and `issue_prepared` do. `hold`: see `issue_prepared`."""
    prepared = await prepare_contract(services, scope, asked)
    async with services.database.transaction(scope) as tx:
        return (await issue_prepared(services, tx, prepared, actor, hold=hold)).contract


async def prepare_contract(services: Services, scope: Scope, asked: NewContract) -> PreparedContract:
    """Draw a contract and store its file. Writes no row.

    Raises BadInput (with the field), GuardianRequired, UndrawableText, TemplateFailed.
    """
    drawn = await _draw(services, scope, asked)
    laid_out = await asyncio.to_thread(services.documents.printer.lay_out, asked.template, drawn.language, drawn.data)
    boxes = [
        FieldBox(box.name, box.page, box.x1, box.y1, box.x2, box.y2, box.name == SEAL_FIELD)
        for box in sorted(laid_out.boxes, key=lambda box: (box.name == SEAL_FIELD, box.name))  # the seal is last
    ]
    document = await asyncio.to_thread(services.documents.pdf_engine.with_signature_fields, laid_out.pdf, boxes)
    sha256 = await services.files.put(document)
    return PreparedContract(drawn, laid_out, sha256, len(document))


async def issue_prepared(
    services: Services, tx: Transaction, prepared: PreparedContract, actor: str, *, hold: bool = False
) -> Case:
    """Write a prepared contract in this transaction and open its first tasks. Return the case.

    `hold`: another contract for the same signer follows, so an immediate invitation waits a moment, and both can share
    a message. Raises Conflict if the enrolment already has a contract or the contract to be replaced was already
    reissued, IllegalMove while an accepted signature of the contract to be replaced is being embedded.
    """
    case = await _write(services, tx, prepared, actor)
    return await open_next(services, tx, case, Invitation(prepared.drawn.asked.send, hold))


# ---- validation


async def _draw(services: Services, scope: Scope, asked: NewContract) -> _Drawn:
    signers = _checked_signers(await with_representative(services, scope, asked))
    document = parse_id_document(asked.student.id_type, asked.student.id_number, field="student.id_number")
    birth_date = document.birth_date or asked.student.birth_date
    student = DrawnStudent(normalise_name(asked.student.name, field="student.name"), document, birth_date)
    language = _language(services, asked.template, signers)
    async with services.database.transaction(scope) as tx:
        if not scope.covers(asked.campus):
            raise BadInput(f"there is no campus {asked.campus}", field="campus")
        campus = await tx.school.campus(asked.campus)
        course = await tx.school.course(asked.campus, asked.course) if asked.course else None
        now = tx.planning_now
        number = await tx.contracts.next_number(now.astimezone(ZoneInfo(campus.zone)).year)
    on = now.astimezone(ZoneInfo(campus.zone)).date()
    check_student(student, signers)
    check_age(student, signers, on)
    terms = DrawnTerms(
        number, now.replace(microsecond=0), on, services.documents.school, campus, course, student, signers, asked.data
    )
    deadline = _checked_deadline(asked.deadline, now)
    return _Drawn(asked, terms, language, now, deadline, contract_data(terms, language))


async def with_representative(services: Services, scope: Scope, asked: NewContract) -> Sequence[NewSigner]:
    """Return the signers, followed by the school's representative if one is required and none is named."""
    languages = services.documents.printer.templates.languages(asked.template)
    demanded = any(services.documents.printer.templates.get(asked.template, each).representative for each in languages)
    if not (demanded or asked.representative) or any(each.role is Role.REPRESENTATIVE for each in asked.signers):
        return asked.signers
    found = await representative_at(services, scope, asked.campus)
    if found is None:
        why = "no representative of the school is configured for this campus:"
        raise BadInput(f"{why}\n{asked.campus}", field="representative")
    last = max((each.order for each in asked.signers), default=0) + 1
    return (
        *asked.signers,
        NewSigner(
            Role.REPRESENTATIVE,
            found.name,
            found.phone,
            found.id_number,
            found.id_type,
            found.email,
            order=last,
            language=found.language,
            channels=found.channels,
        ),
    )


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
        raise BadInput("the channel email needs an address", field=f"{where}.email")
    return DrawnSigner(
        role=signer.role,
        name=normalise_name(signer.name, field=f"{where}.name"),
        phone=normalise_phone(signer.phone, field=f"{where}.phone"),
        document=parse_id_document(signer.id_type, signer.id_number, field=f"{where}.id_number"),
        order=signer.order,
        language=signer.language,
        channels=tuple(signer.channels),
        field=field_name,
        email=signer.email,
        relation=signer.relation,
    )


def _language(services: Services, template: str, signers: Sequence[DrawnSigner]) -> str:
    """Return the common language of the signers if the template has it; otherwise Chinese."""
    wanted = {signer.language for signer in signers if signer.role is not Role.REPRESENTATIVE}
    known = services.documents.printer.templates.languages(template)
    if not known:
        raise BadInput(f"there is no contract template {template}", field="template")
    return next(iter(wanted)) if len(wanted) == 1 and wanted <= set(known) else "zh"


def _checked_deadline(asked: datetime | None, now: datetime) -> datetime:
    if asked is None:
        return now + DEFAULT_DEADLINE
    check_deadline(asked, now)
    return asked


# ---- writing


async def _write(services: Services, tx: Transaction, prepared: PreparedContract, actor: str) -> Case:
    drawn, laid_out = prepared.drawn, prepared.laid_out
    template = services.documents.printer.templates.get(drawn.asked.template, drawn.language)
    draft = _contract(drawn, laid_out, template.version)
    await _take_enrolment(tx, drawn, draft.id)
    await tx.contracts.add(draft, drawn.terms.student.name)
    tx.record.know_head(draft.id, None, None)
    await _take_place(services, tx, drawn.asked.replaces, draft.id, actor)
    parties, commitments = await _write_signers(tx, draft, drawn)
    draft_sha256 = hashlib.sha256(laid_out.pdf).hexdigest()
    await tx.contracts.add_version(draft.id, "draft", draft_sha256, len(laid_out.pdf), tx.now)
    await tx.contracts.add_version(draft.id, "issued", prepared.sha256, prepared.size, tx.now)
    await tx.record.append(
        draft.id,
        draft.campus,
        "drawn",
        actor,
        {
            "number": draft.number,
            "template": template.id,
            "template_version": template.version,
            "template_sha256": template.sha256,
            "language": draft.language,
            "draft_sha256": draft_sha256,
            "course": draft.course,
            "deadline": draft.deadline.isoformat(),
            "signers": commitments,
        },
    )
    issued = await tx.contracts.move(
        draft, ContractState.ISSUED, document=prepared.sha256, issued_sha256=prepared.sha256, issued_at=tx.now
    )
    await tx.record.append(draft.id, draft.campus, "issued", actor, {"document_sha256": prepared.sha256})
    return Case(issued, tuple(parties))


def _contract(drawn: _Drawn, laid_out: LaidOut, template_version: str) -> Contract:
    shown = {
        "summary": {language: _summary(drawn, language) for language in LANGUAGES},
        "text": [{"kind": type(block).__name__.lower(), **dataclasses.asdict(block)} for block in laid_out.text],
        "course_name": drawn.terms.course.name if drawn.terms.course else laid_out.title,
        "course_name_en": drawn.terms.course.name_en if drawn.terms.course else laid_out.title,
        "student_name": drawn.terms.student.name,
        "asked": json.loads(json.dumps(dataclasses.asdict(drawn.asked), default=str)),
    }
    return Contract(
        id=uuid4(),
        number=drawn.terms.number,
        campus=drawn.terms.campus.id,
        state=ContractState.DRAFT,
        version=0,
        template=drawn.asked.template,
        template_version=template_version,
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
    )


def _summary(drawn: _Drawn, language: str) -> list[dict[str, str]]:
    """Return the summary in the reader's language, which may differ from that of the contract."""
    data = drawn.data if language == drawn.language else contract_data(drawn.terms, language)
    return summary(data, language)


async def _take_enrolment(tx: Transaction, drawn: _Drawn, contract: UUID) -> None:
    if drawn.asked.enrolment is None:
        return
    enrolment = await tx.school.enrolment(drawn.asked.enrolment, lock=True)
    if enrolment.contract is not None and drawn.asked.replaces is None:
        raise Conflict("a contract has already been drawn from this enrolment")
    await tx.school.contract_drawn(enrolment.id, contract)


async def _take_place(services: Services, tx: Transaction, replaced: UUID | None, contract: UUID, actor: str) -> None:
    """End the contract that the new one replaces, in the same transaction, so that exactly one of them is always
    valid."""
    if replaced is None:
        return
    old = await tx.contracts.locked(replaced)
    if old.replaced_by is not None:
        raise Conflict("this contract has already been reissued")
    if old.state not in REPLACEABLE:
        old = await end(services, tx, old, Ending(ContractState.VOIDED, "reissued", actor))
    await tx.contracts.change(old, replaced_by=contract)
    await tx.record.append(old.id, old.campus, "replaced", actor, {"by": str(contract)})


def _personal(signer: Signer) -> dict[str, str]:
    relation = {"relation": signer.relation} if signer.relation else {}
    return {"name": signer.name, "phone": signer.phone, "id_number": signer.id_number} | relation


def _person(tx: Transaction, asked: NewContract, signer: DrawnSigner) -> str:
    person = tx.cipher.person(signer.document.id_type, signer.document.number)
    return tx.cipher.declared(person, signer.phone) if signer.document.number in asked.declared else person


async def _write_signers(
    tx: Transaction, contract: Contract, drawn: _Drawn
) -> tuple[list[Party], list[dict[str, str]]]:
    """Write the signers and their tasks. Return them, and what the record says of each signer."""
    parties, values, entries = [], [], []
    for each in drawn.terms.signers:
        signer = _signer(tx, contract, drawn, each)
        salt = secrets.token_bytes(SALT_BYTES)
        await tx.contracts.add_signer(signer, salt)
        task = SigningTask(uuid4(), contract.id, signer.id, contract.campus, TaskState.WAITING, signer.order)
        await tx.tasks.add(task)
        parties.append(Party(signer, task))
        personal = [PersonalValue(signer, salt, name, value) for name, value in _personal(signer).items()]
        values += personal
        entries.append(
            {"signer": str(signer.id), "role": signer.role.value, "field": signer.field}
            | {value.name: value.commitment for value in personal}
        )
    await tx.record.commit_all(values)
    return sorted(parties, key=lambda party: (party.signer.order, party.signer.field)), entries


def _signer(tx: Transaction, contract: Contract, drawn: _Drawn, asked: DrawnSigner) -> Signer:
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
