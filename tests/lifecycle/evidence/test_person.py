"""What is kept about a person is found, given out and erased: in every table, sealed values and files included."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain
from typing import Any, cast
from uuid import uuid4

import pytest

from channels import Inbound
from hub.doctor.records import examine_files, examine_records
from hub.errors import BadInput, FileErased, IllegalMove, NotFound, UnreadableFile
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.issue import issue_prepared
from hub.lifecycle.contract.reissue import prepare_again
from hub.lifecycle.evidence.hold import place_hold
from hub.lifecycle.evidence.open_package import find_package
from hub.lifecycle.evidence.person import PersonAct, erase_person, export_person, find_persons, plan_erasure
from hub.lifecycle.reminders.remind_by_hand import remind_by_hand
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing.questions import ask
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.contract.person import format_phone
from hub.model.evidence.person_data import SoughtPerson
from hub.model.messaging.sms_commands import SmsCommand
from hub.model.school.course import Enrolment
from hub.model.school.issue_many import IssueAct, IssueOutcome, SignerReplacement, decide_act
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.encryption.packing import FIRST_BYTE, unpack
from hub.store.tables.columns import metadata
from hub.store.transaction import Database, Transaction
from tests.database import LOCK_WAITS
from tests.evidence.ended_contracts import package_of
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import MOTHER_ID, MOTHER_PHONE, father, mother
from tests.lifecycle.signer import deliver, person, signed
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID, Running, minor_with_guardian, running_hub, until
from tests.store.evidence.test_record import dumped, superuser
from tests.web.staff_visit import console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FATHER, MOTHER, CHILD = "陈建国", "周文静", "陈小满"
WHY = "asked by letter on 20 November"
WROTE = "Please call me in the evening"
GRANDMOTHER_MAIL = "grandmother@home.example"
RETENTION = timedelta(days=1100)


def about(id_number: str = "", *, phone: str = "", name: str = "", scope: Scope = EVERYTHING) -> PersonAct:
    return PersonAct(SoughtPerson.typed(phone, id_number, name), scope, "command-line", WHY)


@asynccontextmanager
async def owner_of(running: Running) -> AsyncIterator[Database]:
    database = running.hub.database
    owner = Database(database.dsn.replace("//app@", "//owner@"), database.keys, database.clock, pool_size=2)
    try:
        yield owner
    finally:
        await owner.close()


async def family(running: Running) -> tuple[Contract, Contract]:
    """Issue two contracts of a family: one completed, one withdrawn; the father wrote, and stands on the roster."""
    copies = (CopyRecipient(CopyRole.GUARDIAN, GRANDMOTHER_MAIL),)
    done = await running.issue_minor(signers=(father(), mother()), copies=copies)
    for number in range(2):
        await signed(running, done, number)
        await advance(running.hub.services, done.id)
    ended = await running.issue_minor(signers=(father(), mother()))
    somebody = await person(running, ended)
    running.clock.advance(timedelta(minutes=2))
    await somebody.enter()
    await ask(running.hub.services, somebody.secret, "question", f"{FATHER}: {WROTE}")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await remind_by_hand(running.hub.services, tx, ended.id, "staff:test")
    await deliver(running)
    await void(running.hub.services, EVERYTHING, ended.id, f"{FATHER} called", "staff:x")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        people = {
            "student": {"name": CHILD, "id_type": "cn-id", "id_number": MINOR_ID, "birth_date": "2012-09-01"},
            "signers": [
                {"role": "guardian", "name": FATHER, "phone": GUARDIAN_PHONE, "id_type": "cn-id"}
                | {"id_number": GUARDIAN_ID, "relation": "父亲"}
            ],
        }
        line = Enrolment(uuid4(), "hefei", "math-a", CHILD, people, None)
        assert await tx.school.add_enrolment(line, tx.cipher.person("cn-id", MINOR_ID), tx.now)
        await tx.inbound.add("sms", Inbound("1", GUARDIAN_PHONE, WROTE), SmsCommand.OTHER, tx.now)
    return done, ended


async def stands(running: Running, *words: str) -> set[str]:
    """Return each table and column in which one of these words stands, also below the seal of a column."""
    found = {table for table, rows in (await dumped(running)).items() if any(w in row for row in rows for w in words)}
    async with superuser(running) as connection:
        for table in metadata.tables.values():
            for column in (each for each in table.c if each.name.endswith("_sealed")):
                for row in await connection.fetch(f'SELECT * FROM "{table.name}"'):
                    if (sealed := row[column.name]) is not None:
                        name = EncryptedColumn.of(column).at(*(row[each.name] for each in table.primary_key))
                        plain = _opened(running, sealed, name)
                        found |= {f"{table.name}.{column.name}" for word in words if word in plain}
    return found


def _opened(running: Running, sealed: bytes, name: bytes) -> str:
    """Return what stands in a sealed column; a long text in it is packed."""
    plain = running.hub.database.cipher.decrypt_bytes(sealed, name)
    return unpack(plain) if plain.startswith(FIRST_BYTE) else plain.decode("utf-8", "replace")


async def test_a_person_is_found_by_phone_document_or_name() -> None:
    async with quiet_hub() as running:
        await family(running)
        for act in (about(GUARDIAN_ID), about(phone="190 0000 0101"), about(name=FATHER)):
            (data,) = await find_persons(running.hub.services, act)
            assert (data.person.id_number, data.person.names) == (GUARDIAN_ID, frozenset({FATHER}))
            assert [part.signs_as for part in data.contracts] == ["guardian-1", "guardian-1"]
            assert [line["is_student"] for line in data.others["enrolments"]] == [False]
            assert [each["text"] for each in data.others["messages_from_them"]] == [WROTE]
            assert data.others["signing_sessions"] and data.others["certificates"] and data.others["messages_to_them"]
        (child,) = await find_persons(running.hub.services, about(MINOR_ID))
        assert [(part.is_student, part.signer) for part in child.contracts] == [(True, None)] * 2
        assert [line["is_student"] for line in child.others["enrolments"]] == [True]
        elsewhere = about(GUARDIAN_ID, scope=Scope(frozenset({"nanjing"})))
        for nobody in (about(GUARDIAN_ID, name=MOTHER), elsewhere, about(phone="190 0000 0999")):
            assert await find_persons(running.hub.services, nobody) == []


async def asked_instead(running: Running, *, approved: bool = False) -> IssueAct:
    """Ask that the mother signs in the place of another; nothing else is on file about her."""
    by = {"role": "guardian", "name": MOTHER, "phone": MOTHER_PHONE, "id_type": "cn-id", "id_number": MOTHER_ID}
    line = Enrolment(uuid4(), "hefei", "math-a", CHILD, {"signers": []})
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.school.add_enrolment(line, tx.cipher.person("cn-id", MINOR_ID), tx.now)
        act = IssueAct(uuid4(), "hefei", "staff:ann", tx.now, needs_approval=True)
        assert await tx.issue_acts.begin(act, [line], SignerReplacement(uuid4(), uuid4(), by))
        if approved:
            await tx.issue_acts.decide(decide_act(act, "staff:ben", tx.now, approve=True))
    return act


@pytest.mark.parametrize("approved", [False, True])
async def test_whoever_is_to_sign_instead_is_found_given_out_and_erased(approved: bool) -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        asked, services = await asked_instead(running, approved=approved), running.hub.services
        for act in (about(MOTHER_ID), about(phone=MOTHER_PHONE), about(name=MOTHER)):
            (data,) = await find_persons(services, act)
            assert (data.person.id_number, data.person.phones) == (MOTHER_ID, frozenset({MOTHER_PHONE}))
            assert [each["act"] for each in data.others["replacements"]] == [asked.id]
        with zipfile.ZipFile(io.BytesIO(await export_person(services, about(MOTHER_ID)))) as archive:
            (given,) = json.loads(archive.read("person.json"))["replacements"]
        assert given["on_file"]["name"] == MOTHER
        await erase_person(services, owner, about(MOTHER_ID))
        assert await stands(running, MOTHER, MOTHER_ID, MOTHER_PHONE) == set()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            ended = await tx.issue_acts.find(asked.id)
            assert ended is not None and ended.refused is not approved
            _, outcomes = await tx.issue_acts.count_verdicts(asked.id)
        assert outcomes == ({IssueOutcome.GONE: 1} if approved else {})


async def test_who_was_typed_with_spaces_and_hyphens_is_erased_as_well() -> None:
    guardian, child = (f"{number[:6]} {number[6:14]}-{number[14:]}" for number in (GUARDIAN_ID, MINOR_ID))
    async with quiet_hub() as running:
        student = replace(minor_with_guardian().student, id_number=child)
        signers = (replace(father(), id_number=guardian, phone="190 0000 0101"),)
        contract = await running.issue_minor(student=student, signers=signers)
        await void(running.hub.services, EVERYTHING, contract.id, WHY, "staff:x")
        prepared = await prepare_again(running.hub.services, EVERYTHING, contract.id)
        async with owner_of(running) as owner:
            for number in (GUARDIAN_ID, MINOR_ID):
                plan = await erase_person(running.hub.services, owner, about(number))
                assert list(plan.contracts) == [contract.number]
        assert await stands(running, GUARDIAN_ID, guardian, MINOR_ID, child, GUARDIAN_PHONE, "190 0000 0101") == set()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            with pytest.raises(IllegalMove, match="a person was erased"):
                await issue_prepared(running.hub.services, tx, prepared, "staff:x")


async def test_whoever_shares_a_phone_is_told_apart_by_the_document() -> None:
    async with quiet_hub() as running:
        await running.issue_minor(signers=(father(),))
        await running.issue_minor(signers=(replace(mother(), phone=GUARDIAN_PHONE),))
        assert len(await find_persons(running.hub.services, about(phone=GUARDIAN_PHONE))) == 2
        with pytest.raises(BadInput, match="2 people match"):
            await export_person(running.hub.services, about(phone=GUARDIAN_PHONE))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.inbound.add("sms", Inbound("1", GUARDIAN_PHONE, WROTE), SmsCommand.OTHER, tx.now)
        (data,) = await find_persons(running.hub.services, about(MOTHER_ID))
        assert data.person.shared == {GUARDIAN_PHONE} and data.others["messages_from_them"] == []


async def test_what_is_kept_stays_and_is_named_with_its_reason() -> None:
    async with quiet_hub() as running:
        done, ended = await family(running)
        course = await running.issue_minor(signers=(father(), mother()))
        async with owner_of(running) as owner:
            plan = await plan_erasure(running.hub.services, about(GUARDIAN_ID))
            assert await erase_person(running.hub.services, owner, about(GUARDIAN_ID)) == plan
        assert list(plan.contracts) == [ended.number] and set(plan.kept) == {done.number, course.number}
        (until,) = re.findall(r"kept until (\S+)", plan.kept[done.number])
        assert 0 <= (date.fromisoformat(until) - running.clock().date()).days - 3 * 365 <= 2  # leap day, time zone
        assert "in progress (ISSUED)" in plan.kept[course.number]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for contract in (done, course):
                assert [each.name for each in await tx.contracts.list_signers(contract.id)] == [FATHER, MOTHER]
            gone = await tx.contracts.list_signers(ended.id)
        assert [(each.name, each.phone) for each in gone] == [("–", ""), (MOTHER, MOTHER_PHONE)]
        running.clock.advance(timedelta(minutes=2))
        await signed(running, course, 0)  # what is in course goes on


async def test_nothing_of_an_erased_person_is_left_anywhere_and_the_records_stay_whole() -> None:
    async with quiet_hub() as running:
        done, ended = await family(running)
        packages = {each.id: await package_of(running, each) for each in (done, ended)}
        running.clock.advance(RETENTION)
        files = {}
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for contract in (done, ended):
                files[contract.id] = [each["sha256"] for each in await tx.contracts.list_versions(contract.id)]
                files[contract.id].append(hashlib.sha256(packages[contract.id]).hexdigest())
        of_father = (FATHER, GUARDIAN_ID, GUARDIAN_PHONE, GUARDIAN_PHONE[3:], format_phone(GUARDIAN_PHONE))
        assert {"signer", "contract.data_sealed", "enrolment.people_sealed"} <= await stands(running, *of_father)
        assert {"contract.data_sealed", "delivery.to_sealed"} <= await stands(running, GRANDMOTHER_MAIL)
        by_number = running.hub.database.cipher.found_by("phone", GUARDIAN_PHONE).hex()
        assert {"enrolment_phone", "signer"} <= await stands(running, by_number)
        async with owner_of(running) as owner:
            await erase_person(running.hub.services, owner, about(GUARDIAN_ID))
            assert await stands(running, *of_father, by_number) == set()
            with pytest.raises(NotFound):
                await erase_person(running.hub.services, owner, about(GUARDIAN_ID))
            assert {"signer", "signer.phone_sealed"} <= await stands(running, MOTHER, MOTHER_PHONE)
            for who in (MINOR_ID, MOTHER_ID):
                await erase_person(running.hub.services, owner, about(who))
        assert await stands(running, CHILD, MINOR_ID, MOTHER, MOTHER_ID, MOTHER_PHONE, GRANDMOTHER_MAIL) == set()
        for sha256 in chain.from_iterable(files.values()):
            with pytest.raises(UnreadableFile):
                await running.hub.services.files.get(sha256)
        with pytest.raises(FileErased):
            await running.hub.services.files.get(done.document or "")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            with pytest.raises(NotFound, match="was erased"):
                await find_package(tx, done.id)
        for look in (examine_records, examine_files):
            findings = [each async for each in look(running.hub, lambda _: None)]
            assert all(each.well for each in findings), findings


@dataclass
class HeldMeanwhile:
    """The database of the owner. Before its transaction with this number begins, counted from 0, somebody holds a
    contract."""

    owner: Database
    running: Running
    contract: Contract
    number: int

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncIterator[Transaction]:
        if self.number == 0:
            await place_hold(self.running.hub.services, EVERYTHING, self.contract.id, ("a dispute", None), "staff:x")
        self.number -= 1
        async with self.owner.transaction(scope) as tx:
            yield tx


@pytest.mark.parametrize("number", [0, 1])
async def test_a_hold_that_is_placed_meanwhile_keeps_contract_and_messages(number: int) -> None:
    """The first contract is held before it is erased, or the second one after that."""
    async with quiet_hub() as running:
        family_of = await family(running)
        running.clock.advance(RETENTION)
        services, by_id = running.hub.services, {each.id: each for each in family_of}
        (found,) = await find_persons(services, about(GUARDIAN_ID))
        held = by_id[found.contracts[number].contract]
        (other,) = (each for each in family_of if each != held)
        async with owner_of(running) as owner:
            meanwhile = HeldMeanwhile(owner, running, held, number)
            done = await erase_person(services, cast(Database, meanwhile), about(GUARDIAN_ID))
            assert list(done.contracts) == [other.number] and list(done.kept) == [held.number]
            async with running.hub.database.transaction(EVERYTHING) as tx:
                assert [(await tx.contracts.list_signers(each.id))[0].name for each in (held, other)] == [FATHER, "–"]
                installation = await tx.school.find_installation()
                assert installation is not None
                entry = (await tx.record.list_entries(installation))[-1]
            assert (entry.kind, entry.facts["kept"]) == ("person-erased", 1)
            (found,) = await find_persons(services, about(GUARDIAN_ID))
            assert found.others["messages_from_them"]


async def test_a_hold_on_a_contract_that_is_erased_already_keeps_no_messages() -> None:
    async with quiet_hub() as running:
        await family(running)
        running.clock.advance(RETENTION)
        services = running.hub.services
        (found,) = await find_persons(services, about(GUARDIAN_ID))
        assert found.others["messages_from_them"]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            first = await tx.contracts.get(found.contracts[0].contract)
        async with owner_of(running) as owner:
            meanwhile = HeldMeanwhile(owner, running, first, 1)
            done = await erase_person(services, cast(Database, meanwhile), about(GUARDIAN_ID))
            assert (len(done.contracts), done.kept, done.messages) == (2, {}, len(found.others["messages_from_them"]))
            assert await stands(running, GUARDIAN_ID, FATHER) == set()


async def test_two_erasures_at_one_moment_leave_no_shared_file() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        services, versions = running.hub.services, metadata.tables["document_version"]
        first = await running.issue_minor()
        second = await running.issue_minor(signers=(mother(),))
        for contract in (first, second):
            await void(services, EVERYTHING, contract.id, "x", "staff:x")
        shared = await services.files.put(b"%PDF-1.7 uploaded once for both")
        async with owner.transaction(EVERYTHING) as tx:
            of_both = versions.c.contract.in_([first.id, second.id])
            values = {"sha256": shared, "file": shared}
            await tx.connection.execute(versions.update().where(of_both).values(values))
        running.clock.advance(RETENTION)
        async with owner.transaction(EVERYTHING) as tx:
            await tx.person_erasure.lock_erasures()
            assert shared not in await tx.person_erasure.list_files(first.id)  # the second contract has it as well
            other = asyncio.create_task(erase_person(services, owner, about(MOTHER_ID)))
            await until(lambda: _waits_or_is_done(running, other))
            now = {"erased_at": tx.now}
            await tx.connection.execute(versions.update().where(versions.c.contract == first.id).values(now))
        await other
        with pytest.raises(UnreadableFile):
            await services.files.get(shared)


async def _waits_or_is_done(running: Running, task: asyncio.Task[Any]) -> bool:
    async with superuser(running) as connection:
        return task.done() or bool(await connection.fetchval(LOCK_WAITS))


async def test_each_act_stands_in_the_schools_record_with_its_reason_and_without_the_persons_name() -> None:
    async with quiet_hub() as running:
        await family(running)
        act = PersonAct(SoughtPerson.typed("", GUARDIAN_ID, ""), EVERYTHING, "command-line", f"{FATHER}: {WHY}")
        await export_person(running.hub.services, act)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            installation = await tx.school.find_installation()
            assert installation is not None
            entry = (await tx.record.list_entries(installation))[-1]
            values = await tx.record.get_values(installation)
        assert (entry.kind, entry.actor, entry.facts["persons"]) == ("person-exported", "command-line", 1)
        assert len(entry.facts["contracts"]) == 2 and GUARDIAN_ID not in str(entry)
        assert values[entry.facts["reason"]["committed"]] == ("reason", f"–: {WHY}")
        with pytest.raises(BadInput, match="reason"):
            PersonAct(act.sought, EVERYTHING, "command-line", " ")
        with pytest.raises(BadInput):
            SoughtPerson.typed("", "340104198501010010", "")


async def test_staff_still_see_a_contract_of_erased_people_as_one() -> None:
    async with running_hub(with_worker=False) as running:
        child = minor_with_guardian().student  # a roster names the birth date as well
        contract = await running.issue_minor(student=replace(child, birth_date=date(2012, 9, 1)))
        await void(running.hub.services, EVERYTHING, contract.id, "mistyped", "staff:x")
        async with owner_of(running) as owner:
            for who in (GUARDIAN_ID, MINOR_ID):
                await erase_person(running.hub.services, owner, about(who))
        console = await console_of(running)
        page = (await console.get(f"/staff/contracts/{contract.id}")).words
        assert contract.number in page and "personal data behind the record erased" in page
        assert FATHER not in page and CHILD not in page
