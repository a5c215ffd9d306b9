"""Find, export and erase everything stored about a person at their request (个人信息保护法 art. 44 to 47).

Each act is an entry of the school's record with its reason, from which the person's name and numbers are removed.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from hub.errors import BackupRunning, BadInput, NotFound, Refused
from hub.lifecycle.evidence.erase import forget_copies
from hub.lifecycle.evidence.hold import refuse_if_held
from hub.lifecycle.evidence.open_attachment import read_attachment
from hub.lifecycle.evidence.school_acts import record_hub_act, refuse_issue_act
from hub.lifecycle.services import Services
from hub.model.contract.contract import ContractState
from hub.model.evidence.person_data import KnownPerson, PersonData, PersonInContract, SoughtPerson, list_words, redact
from hub.model.school.issue_many import IssueOutcome
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.transaction import Database, Transaction

# The README in the archive of an export.
README = """这个文件包里是本校保存的、关于一个人的全部资料（个人信息保护法第四十五条）。
person.json 是资料本身，其中 commitments 可证明合同记录里的加盐摘要对应哪些资料；
contracts/ 里是本人参与签署、已经完成的合同全文；attachments/ 里是本人上传的附件。

This archive holds everything that the school keeps about one person.
person.json has the data. Its commitments show which values the salted hashes in a contract's record stand for.
contracts/ has each completed contract to which the person is a party, in full;
attachments/ has the files that they attached.
"""
_FACTS_OF_CONTRACT = ("number", "campus", "state", "title", "created_at", "completed_at", "ended_at")


@dataclass(frozen=True)
class PersonAct:
    """The person sought, the scope of the search, and the reason, which is recorded."""

    sought: SoughtPerson
    scope: Scope
    actor: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise BadInput("a reason is needed: it is recorded", field="reason")


@dataclass(frozen=True)
class ErasedPerson:
    """What was or would be erased: the numbers of contracts, and how many other rows. `kept`: number and reason of each
    contract that stays."""

    person: KnownPerson
    contracts: Sequence[str]
    enrolments: int
    messages: int
    kept: Mapping[str, str]


async def find_persons(services: Services, act: PersonAct) -> list[PersonData]:
    """Return all matching people, with everything stored about each."""
    async with services.database.transaction(act.scope) as tx:
        known = [await _collect(tx, person) for person in await tx.persons.find_persons(act.sought)]
    found = [data for data in known if not data.is_empty]
    await _record(services, act, "person-found", found)
    return found


async def export_person(services: Services, act: PersonAct) -> bytes:
    """Return a ZIP with one JSON file and the person's completed contracts. Raises NotFound, BadInput."""
    data = await _get_one(services, act)
    described = describe_person(data) | {"commitments": await _list_openings(services, data)}
    files = {}
    for part in data.contracts:
        if part.state is ContractState.COMPLETED and part.document:
            files[f"contracts/{part.number}.pdf"] = await services.files.get(part.document)
        files |= await _attachments(services, part)
    await _record(services, act, "person-exported", [data])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("person.json", json.dumps(described, ensure_ascii=False, indent=2, default=str))
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


async def _list_openings(services: Services, data: PersonData) -> dict[str, list[dict[str, str]]]:
    """Return what shows that the records of these contracts are about the person, by number of contract."""
    signed = {part.number: part.signer for part in data.contracts if part.signer}
    async with services.database.transaction(EVERYTHING) as tx:
        return {number: await tx.record.list_openings(signer) for number, signer in signed.items()}


async def _attachments(services: Services, part: PersonInContract) -> dict[str, bytes]:
    """Return the files that the person has attached to this contract, by their names in the archive."""
    async with services.database.transaction(EVERYTHING) as tx:
        found = await tx.answers.list_attachments(part.contract)
    files = {}
    for each in found:
        if each.signer == part.signer and each.superseded_at is None:
            _, content = await read_attachment(services, EVERYTHING, part.contract, each.id)
            files[f"attachments/{part.number}-{each.name}-{each.id}.{each.ending}"] = content
    return files


async def plan_erasure(services: Services, act: PersonAct) -> ErasedPerson:
    """Return what `erase_person` would do, without erasing anything. The look at the person's data is recorded."""
    data = await _get_one(services, act)
    await _record(services, act, "person-found", [data])
    return _planned(services, data)


async def erase_person(services: Services, owner: Database, act: PersonAct) -> ErasedPerson:
    """Erase everything that may be erased now, in one transaction for each contract. After a crash, another run
    continues.

    `owner`: the database opened as the role `owner`, since the hub's own role may not change evidence. A contract's
    files are deleted before the commit: after a crash between the commit and a later deletion, they would stay forever.
    Raises NotFound, BadInput, FilesUnavailable if a file cannot be deleted, and BackupRunning while a backup is
    written, because its copy of the database names those files.
    """
    data = await _get_one(services, act)
    plan = _planned(services, data)
    async with _erasing(services.database) as tx:
        await _append(tx, act, "person-erased", [data], kept=len(plan.kept))
    erased: set[str] = set()
    # The last contract is erased with the rest: after a crash, another run finds the person by it.
    for part in [part for part in data.contracts if part.number not in plan.kept][:-1]:
        with suppress(Refused):  # it was put on hold meanwhile: `_erase_rest` looks at it again
            async with _erasing(owner) as tx:
                await _erase_contract(services, tx, act.actor, part, data.person)
            erased.add(part.number)
    async with _erasing(owner) as tx:
        done = await _erase_rest(services, tx, act, data, erased)
        if len(done.kept) > len(plan.kept):
            await _append(tx, act, "person-erased", [data], kept=len(done.kept))
    return done


@asynccontextmanager
async def _erasing(database: Database) -> AsyncIterator[Transaction]:
    async with database.transaction(EVERYTHING) as tx:
        await tx.person_erasure.lock_erasures()  # so that a file of two contracts is deleted with the second one
        if not await tx.stored_files.begin_deleting():
            raise BackupRunning
        yield tx


async def _erase_rest(
    services: Services, tx: Transaction, act: PersonAct, data: PersonData, erased: Collection[str]
) -> ErasedPerson:
    """Erase the other contracts, roster lines, messages and keys, as far as holds and retention allow."""
    for asked in data.others["replacements"]:
        await _end_replacement(tx, asked, act.actor)
    await tx.contracts.lock(part.contract for part in data.contracts)  # no hold can be placed on them meanwhile
    data = await _with_holds(tx, data)
    plan = _planned(services, data, erased)
    for line in _erasable_lines(data, plan.kept):
        await tx.person_erasure.erase_enrolment(line, data.person, list_words(data.person))
    if act.scope == EVERYTHING and not _is_held(data, erased):  # messages and keys belong to no campus
        await tx.person_erasure.erase_messages(data.person)
    if act.scope == EVERYTHING and not plan.kept:
        await tx.person_erasure.erase_keys(data.person, tx.persons.list_keys(data.person), tx.now)
    for part in data.contracts:
        if part.number not in plan.kept and part.number not in erased:
            await _erase_contract(services, tx, act.actor, part, data.person)
    return plan


async def _end_replacement(tx: Transaction, asked: Mapping[str, Any], actor: str) -> None:
    """End the act by which the person is to sign in place of another. It is not evidence, so nothing keeps it."""
    issuing = await tx.issue_acts.find(asked["act"], lock=True)
    if issuing is None or not issuing.waits:
        await tx.issue_acts.end(asked["act"], asked["enrolment"], IssueOutcome.GONE, tx.now)
        return
    await refuse_issue_act(tx, issuing, actor)


async def _erase_contract(
    services: Services, tx: Transaction, actor: str, part: PersonInContract, person: KnownPerson
) -> None:
    """Erase the person from one contract, and its files. Raises Refused if it is held."""
    contract = await tx.contracts.lock_contract(part.contract)
    await refuse_if_held(tx, part.contract)
    for sha256 in sorted(await tx.person_erasure.list_files(part.contract)):
        await services.files.erase(sha256)
    words = list_words(person)
    texts = await tx.record.erase(part.signer) if part.signer else []
    await forget_copies(tx, contract, texts + await tx.record.erase_texts(part.contract, words))
    await tx.person_erasure.erase_contract(part, person, words, tx.now)
    await tx.packages.forget_due(part.contract)  # no package is made of deleted files
    facts = {"signer": str(part.signer)} if part.signer else {"role": "student"}
    await tx.record.append(contract.id, contract.campus, "signer-erased", actor, facts)


async def _get_one(services: Services, act: PersonAct) -> PersonData:
    async with services.database.transaction(act.scope) as tx:
        persons = await tx.persons.find_persons(act.sought)
        if len(persons) > 1:
            raise BadInput(f"{len(persons)} people match: enter the ID number as well", field="id_number")
        data = await _collect(tx, persons[0]) if persons else None
    if data is None or data.is_empty:
        raise NotFound("nothing is stored about such a person")
    return data


async def _collect(tx: Transaction, person: KnownPerson) -> PersonData:
    contracts = await tx.persons.list_contracts(person)
    others = {
        "enrolments": await tx.persons.list_enrolments(person),
        "replacements": await tx.persons.list_replacements(person),
    }
    data = PersonData(person, contracts, others | await tx.persons.list_others(person, contracts))
    return await _with_holds(tx, data)


async def _with_holds(tx: Transaction, data: PersonData) -> PersonData:
    holds = await tx.holds.list_of((part.contract for part in data.contracts), tx.now)
    zones = {campus.id: campus.zone for campus in await tx.school.list_campuses()}
    held = [replace(part, hold=holds.get(part.contract), zone=zones[part.campus]) for part in data.contracts]
    return replace(data, contracts=held)


def _planned(services: Services, data: PersonData, erased: Collection[str] = frozenset()) -> ErasedPerson:
    """Return what may be erased now. `erased`: numbers of contracts that are erased already."""
    reasons = data.keep_reasons(services.documents.retention, services.clock())
    kept = {number: reason for number, reason in reasons.items() if number not in erased}
    gone = [part.number for part in data.contracts if part.number not in kept]
    messages = (
        0 if _is_held(data, erased) else len(data.others["messages_from_them"]) + len(data.others["guest_sessions"])
    )
    return ErasedPerson(data.person, gone, len(_erasable_lines(data, kept)), messages, kept)


def _is_held(data: PersonData, erased: Collection[str]) -> bool:
    """Return whether a contract of the person is held for a dispute: what they wrote may be about it.

    A hold on a contract that is erased already keeps nothing, because nobody would find the person again.
    """
    return any(part.hold for part in data.contracts if part.number not in erased)


def _erasable_lines(data: PersonData, kept: Collection[str]) -> list[Mapping[str, Any]]:
    """Return the roster lines whose contract is not kept. `kept`: numbers of contracts."""
    kept_ids = {part.contract for part in data.contracts if part.number in kept}
    return [line for line in data.others["enrolments"] if line["contract"] not in kept_ids]


def describe_person(data: PersonData) -> dict[str, Any]:
    """Return the contents of an export, as JSON values: only the person's own data."""
    person = data.person
    return {
        "person": {
            "names": sorted(person.names),
            "phones": sorted(person.phones),
            "emails": sorted(person.emails),
            "id_type": person.id_type,
            "id_number": person.id_number,
        },
        "contracts": [
            {name: getattr(part, name) for name in _FACTS_OF_CONTRACT}
            | {"as": part.signs_as or "student", "on_file": dict(part.on_file)}
            for part in data.contracts
        ],
        "shared_phones": sorted(person.shared),
        **{kind: list(rows) for kind, rows in data.others.items()},
    }


async def _record(services: Services, act: PersonAct, kind: str, found: Sequence[PersonData], **more: int) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        await _append(tx, act, kind, found, **more)


async def _append(tx: Transaction, act: PersonAct, kind: str, found: Sequence[PersonData], **more: int) -> None:
    words = [word for data in found for word in list_words(data.person)]
    contracts = [str(part.contract) for data in found for part in data.contracts]
    facts = {"reason": redact(act.reason.strip(), words), "contracts": contracts, "persons": len(found)}
    await record_hub_act(tx, kind, act.actor, facts | more)
