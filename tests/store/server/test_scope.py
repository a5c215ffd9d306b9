"""The campus tree limits every query: rows of another campus cannot be read or written, in any table and by any
statement."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from channels import CallbackContent, Inbound
from hub.errors import ContractNotFound
from hub.lifecycle.contract.end import void
from hub.lifecycle.evidence.make_package import make_package
from hub.lifecycle.reminders import bulk_remind
from hub.lifecycle.reminders.extend_deadline import extend
from hub.lifecycle.reminders.remind_by_hand import remind_by_hand
from hub.lifecycle.school.guests import open_poster
from hub.lifecycle.signing.entry.hand_out_link import WantedLink, hand_out_link
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff import change_phone
from hub.model.evidence.erasure_request import ErasureRequest
from hub.model.evidence.person_data import SoughtPerson
from hub.model.evidence.tree import StoredTree, previous_leaf
from hub.model.messaging.sms_commands import SmsCommand
from hub.model.school.course import Campus
from hub.model.school.roster_import import RosterImport, RosterUpload
from hub.model.signing.device_key import AppKey, Attestation
from hub.model.signing.link import DoorKind
from hub.model.signing.pairing import PAIRING_LIFE, Pairing
from hub.model.signing.passkey import Passkey
from hub.model.staff.accounts import ApiKey, NewStaffSession, Staff, StaffLogin
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.inbound.callback_writer import StoredCallback
from hub.store.tables.columns import metadata
from tests.database import fresh_database, tamper
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import mother
from tests.lifecycle.signer import completed, person, signed
from tests.poster_visits import make_poster
from tests.running import GUARDIAN_PHONE, Running, running_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN, NOWHERE = Scope(frozenset({"beijing"})), Scope(frozenset())
# Tables that every campus may read, and only acts of the whole school (or of the campus itself) change.
READ_BY_ALL = {"campus", "reminder_policy", "school_day", "sealing_key", "sending_pause", "text_version"}
# Tables without row-level security, and why nothing of a campus is in them.
WITHOUT = {
    "alembic_version": "the number of the schema",
    "budget": "counts under hashes, which every act adds to, whichever campus it is for",
    "contract_number": "the last number of a year",
    "demo_clock": "how far a demo's clock is ahead",
    "installation": "what the database is for; the role app only reads it",
    "opt_out": "hashes of numbers that want no messages, from any campus",
    "outbox_message": "keys of deliveries that the demo's outbox took",
    "pgqueuer": "ids of rows",
    "pgqueuer_log": "ids of rows",
    "pgqueuer_schedules": "names of schedules",
    "pgqueuer_statistics": "counts",
    "provider": "how well a provider of the whole school works",
    "provider_lane": "until when a provider is busy",
    "schema_compatibility": "the number of a schema",
    "shared_certificate": "certificates of authorities, and of the seal",
    "worker_heartbeat": "when a worker was last there",
}
# Only the hub itself sees these: they are read before it is known who asks, or belong to a person and no campus.
OF_THE_HUB = {
    "callback",
    "duty",
    "evidence_renewal",
    "evidence_renewal_leaf",
    "hash_tree",
    "hash_tree_leaf",
    "hash_tree_receipt",
    "inbound_message",
    "login_failure",
    "one_time_code",
    "passkey",
    "restored_delivery",
    "restored_until",
    "row_count",
    "visitor",
    "wrong_answer",
}
# Tables whose rows a trigger keeps.
KEPT = (
    "record_entry",
    "evidence_package",
    "evidence_addendum",
    "hash_tree",
    "hash_tree_leaf",
    "hash_tree_receipt",
    "evidence_renewal",
    "evidence_renewal_leaf",
)
_SECURED = """
SELECT relname, relrowsecurity FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""


async def a_story_in_hefei(running: Running) -> None:
    """Write rows into every table: two contracts in one message, one completed, and a question about another one."""
    await running.issue_minor(hold=True)
    contract = await running.issue_minor()
    await running.worker.due_steps.sweep()
    somebody = await signed(running, contract)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        task = await tx.tasks.get_of_signer(somebody.signer.id)
        await tx.sessions.page_seen(task.id, str(contract.document), 1, tx.now)
        await tx.sessions.add_wrong_answer(somebody.signer.person, tx.now)
        session = await tx.sessions.find_by_secret(somebody.secret)
        assert session is not None
        pairing = Pairing(uuid4(), session.id, contract.id, tx.now, tx.now + PAIRING_LIFE)
        await tx.pairings.add(pairing, "ABCD1234")
        await tx.passkeys.add(
            Passkey(uuid4(), somebody.signer.person, "sign.example.org", b"1", b"2", 0, False, tx.now)
        )
        key = AppKey(
            uuid4(),
            b"spki",
            somebody.signer.person,
            contract.id,
            somebody.signer.id,
            "phone",
            Attestation.NONE,
            tx.now,
        )
        assert await tx.app_keys.add(key)
        assert await tx.task_times.take("clean", timedelta(hours=1))
    await completed(running, contract)
    await make_package(running.hub.services, contract.id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.trees.add(StoredTree(tx.now.date(), 1, b"r", [b"t"], tx.now), [previous_leaf(b"r")])
        await tx.packages.plan(await tx.contracts.get(contract.id), tx.now)
    other = await person(running, await running.issue_minor())
    await other.land()
    await ask(running.hub.services, other.secret, "question", "when does it begin?")
    await heard_from_outside(running)
    third = await person(running, await running.issue_minor())
    wanted = change_phone.PhoneRequest(third.contract.id, third.signer.id, "+8619000000999", "lost")
    await change_phone.ask(running.hub.services, EVERYTHING, wanted, "staff:x")
    await bulk_remind.begin_reminding(running.hub.services, EVERYTHING, [third.contract.id], "staff:x")
    _, ticket = await make_poster(running)
    await open_poster(running.hub.services, ticket, GUARDIAN_PHONE, "陈建国", "zh")
    await tamper(running.hub.database.dsn, "DELETE FROM course WHERE campus <> 'hefei'")  # other campuses have some
    await tamper(running.hub.database.dsn, "INSERT INTO restored_delivery SELECT id FROM delivery LIMIT 1")
    await tamper(running.hub.database.dsn, "INSERT INTO restored_until VALUES (true, '2000-01-01')")
    await import_roster(running)
    await accounts_of_hefei(running)
    await ask_for_a_seal(running)


async def accounts_of_hefei(running: Running) -> None:
    """Store an account with all that belongs to it, an API key, and answers that are kept for both."""
    staff, key = Staff(uuid4(), "wang", "王示范", "hefei"), ApiKey(uuid4(), "crm", "hefei")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.accounts.put_staff(staff, "hash", tx.now)
        await tx.accounts.begin_session(
            NewStaffSession(StaffLogin(staff, "hash", False, False, None), "secret", timedelta(hours=1)), tx.now
        )
        await tx.accounts.add_login_failure("wang", tx.now)
        await tx.chats.put("wecom", "wang", staff.id, tx.now)
        await tx.api_keys.add(key, "key", tx.now)
        await tx.idempotency.find_answer(key.id, "once", b"asked", tx.now)
        await tx.second_factors.replace_codes(staff.id, [b"code"])


async def import_roster(running: Running) -> None:
    """Store an enrolment with what hangs on it, an import, an uploaded roster, and the titles of its columns."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO enrolment (id, campus, course, student_name, student_hash, people_sealed, created_at)"
                " VALUES (gen_random_uuid(), 'hefei', 'math-a', 'x', '\\x00', '\\x00', now())"
            )
        )
        await tx.rosters.add_upload(RosterUpload(uuid4(), "hefei", "staff:x", "roster.csv", tx.now, b"x"))
        await tx.rosters.put_titles("hefei", {"x": "phone"})
        for statement in (
            "INSERT INTO evidence_renewal VALUES (1, 'sha256', false, 1, '', '', now())",
            "INSERT INTO evidence_renewal_leaf VALUES (1, 0, now(), NULL, NULL, '')",
            "INSERT INTO evidence_addendum VALUES (gen_random_uuid(), 1, 'hefei', 'x', 1, now(), 1, 0, '{}')",
            "INSERT INTO hash_tree_receipt VALUES (now(), 'x', 'x', '', now(), true)",
            "INSERT INTO legal_hold VALUES (gen_random_uuid(), gen_random_uuid(), 'hefei', 'x', 'x', now())",
            "INSERT INTO enrolment_phone SELECT '\\x00', id, 'hefei' FROM enrolment",
            "INSERT INTO issue_act VALUES (gen_random_uuid(), 'hefei', 'x', now(), 'now')",
            "INSERT INTO issue_item SELECT issue_act.id, enrolment.id, 'hefei', 0 FROM issue_act, enrolment",
            "INSERT INTO bulk_act VALUES (gen_random_uuid(), 'hefei', 'void', 'x', now(), NULL, false)",
            "INSERT INTO bulk_item SELECT bulk_act.id, contract.id, 'hefei', 0 FROM bulk_act, contract LIMIT 1",
            "INSERT INTO attachment SELECT id, contract, id, 'hefei', '', '', 1, '', '', '', now() FROM signer LIMIT 1",
            "INSERT INTO weekly_report SELECT id, 'hefei', '\\x00', 'zh', now() FROM staff LIMIT 1",
        ):
            await tx.connection.execute(text(statement))
        sought = SoughtPerson(name="x")
        await tx.erasure_requests.add(ErasureRequest(uuid4(), "hefei", sought, "asked", f"staff:{uuid4()}", tx.now))
        await tx.roster_imports.begin(RosterImport(uuid4(), "hefei", "staff:x", "roster.csv", tx.now))


_ID = "gen_random_uuid()"
# The rest of a row of each table about seals.
_SEAL = "'hefei', 'x', 'x', '', 'active', now(), now(), NULL, 'drawn', 'token', 'x'"
_LIFE = "now(), now(), now()"
_USE = "'hefei', 'x', 'x', NULL, 'x', 1, 'sealed', NULL, 1, now()"
_JOB = "'across', 'plain', '{}', '{}', NULL, 'open', now(), 0, 0, 0, ''"
_ITEM = "1, 'hefei', 'x', 'x', 'x', 'waiting', NULL, 0, NULL, NULL, NULL, ''"


async def ask_for_a_seal(running: Running) -> None:
    """Store a seal of Hefei with its application, a grant, a use, and a job of another system."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for statement in (
            f"INSERT INTO seal VALUES ({_ID}, 'x', 'contract', {_SEAL}, '{{}}')",
            "INSERT INTO seal_request SELECT id, id, 'hefei', 'x', 'x', now(), 'applied', '[]' FROM seal",
            "INSERT INTO seal_grant SELECT id, id, 'client', 'x', 'hefei', '{}', 'x', now() FROM seal",
            f"INSERT INTO seal_sm2 SELECT id, 'hefei', '', '{{}}', 1, 1, 'token', 'x', NULL, {_LIFE} FROM seal",
            f"INSERT INTO seal_use SELECT id, id, NULL, {_USE} FROM seal",
            f"INSERT INTO seal_job SELECT {_ID}, api_key.id, 'x', 'hefei', seal.id, {_JOB} FROM api_key, seal LIMIT 1",
            f"INSERT INTO seal_job_item SELECT id, {_ITEM} FROM seal_job",
        ):
            await tx.connection.execute(text(statement))


async def heard_from_outside(running: Running) -> None:
    """Store what providers and people sent, alerts for staff, and figures for operators."""
    database = running.hub.database
    await database.callback_writer.store(
        [StoredCallback.encrypted(database.cipher, "sms", CallbackContent(), database.clock())]
    )
    async with database.transaction(EVERYTHING) as tx:
        await tx.inbound.add("sms", Inbound("1", GUARDIAN_PHONE, "?"), SmsCommand.OTHER, tx.now)
        await tx.alerts.add("budget-spent", {"which": "campus", "campus": "hefei"}, tx.now, "hefei")
        await tx.figures.count_rows("contracts", tx.now)


def scoped_tables() -> list[str]:
    return sorted(set(metadata.tables) - set(WITHOUT) - READ_BY_ALL)


async def test_every_table_has_row_level_security_or_a_reason_to_have_none() -> None:
    async with fresh_database() as dsns:
        owner = await asyncpg.connect(dsns.owner)
        secured = {name: bool(on) for name, on in await owner.fetch(_SECURED)}
        await owner.close()
    assert {name for name, on in secured.items() if not on} == set(WITHOUT)


async def test_a_campus_neither_makes_nor_moves_one() -> None:
    async with quiet_hub() as running:
        for statement in ("UPDATE campus SET parent = NULL", "UPDATE campus SET name = 'x'"):
            async with running.hub.database.transaction(FOREIGN) as tx:
                assert (await tx.connection.execute(text(statement))).rowcount == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with running.hub.database.transaction(FOREIGN) as tx:
                await tx.school.put_campus(Campus("x", "hq", "x", "x", "Asia/Shanghai"))


async def test_an_account_is_neither_made_nor_moved_across_campuses() -> None:
    async with quiet_hub() as running:
        await accounts_of_hefei(running)
        take_over = "UPDATE staff SET campus = 'beijing', password_hash = 'known' WHERE login = 'wang'"
        async with running.hub.database.transaction(FOREIGN) as tx:
            assert (await tx.connection.execute(text(take_over))).rowcount == 0
            assert await tx.accounts.find_by_login("wang") is None
            assert list((await tx.accounts.get_names([(await _of_login(running, "wang")).id])).values()) == ["王示范"]
        for row in (Staff(uuid4(), "wang-2", "王示范", "hefei"), Staff(uuid4(), "wang-3", "王示范", "hq")):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with running.hub.database.transaction(FOREIGN) as tx:
                    await tx.accounts.put_staff(row, "hash", tx.now)
        known = StaffLogin(await _of_login(running, "wang"), "hash", False, False, None)
        async with running.hub.database.transaction(FOREIGN) as tx:
            assert not await tx.accounts.begin_session(NewStaffSession(known, "x", timedelta(hours=1)), tx.now)
        begin = (
            "INSERT INTO staff_session (secret_hash, staff, created_at, expires_at) VALUES ('x', :staff, now(), now())"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with running.hub.database.transaction(FOREIGN) as tx:
                await tx.connection.execute(text(begin), {"staff": known.staff.id})


async def _of_login(running: Running, login: str) -> Staff:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.owners.find_named(login)
    assert found is not None
    return found


async def test_the_directory_of_staff_has_no_secrets() -> None:
    async with quiet_hub() as running, running.hub.database.transaction(FOREIGN) as tx:
        (row,) = await tx.connection.execute(text("SELECT row_to_json(one) FROM staff_directory AS one"))
        assert json.loads(row[0]).keys() == {"id", "login", "name", "campus", "role", "disabled_at"}


async def test_no_row_is_seen_changed_or_deleted_from_another_campus_or_without_a_scope() -> None:
    async with running_hub(with_web=False, with_worker=False) as running:
        await a_story_in_hefei(running)
        database = running.hub.database
        # Only the scope prevents it.
        await tamper(database.dsn, "GRANT INSERT, DELETE ON ALL TABLES IN SCHEMA public TO app")
        for table in KEPT:
            await tamper(database.dsn, f"ALTER TABLE {table} DISABLE TRIGGER keep_evidence")
        for table in scoped_tables():
            columns = ", ".join(f'"{each.name}"' for each in metadata.tables[table].columns if each.computed is None)
            async with database.transaction(EVERYTHING) as tx:
                before = await tx.connection.scalar(text(f"SELECT count(*) FROM {table}"))
                assert before, f"the story leaves no row in {table}"
                (row,) = await tx.connection.fetch(f"SELECT row_to_json(found)::text FROM {table} AS found LIMIT 1")
            written = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_record(NULL::{table}, $1)"
            for scope in (FOREIGN, NOWHERE):
                async with database.transaction(scope) as tx:
                    assert await tx.connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table
                    assert (await tx.connection.execute(text(f"DELETE FROM {table}"))).rowcount == 0, table
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    async with database.transaction(scope) as tx:
                        await tx.connection.fetch(written, row[0])
            connection = await asyncpg.connect(database.dsn)
            try:
                assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
            finally:
                await connection.close()
            async with database.transaction(EVERYTHING) as tx:
                assert await tx.connection.scalar(text(f"SELECT count(*) FROM {table}")) == before


async def test_the_own_campus_sees_its_rows_also_those_that_hang_on_a_contract() -> None:
    async with quiet_hub() as running:
        await a_story_in_hefei(running)
        for table in set(scoped_tables()) - OF_THE_HUB:
            async with running.hub.database.transaction(Scope(frozenset({"hefei"}))) as tx:
                assert await tx.connection.scalar(text(f"SELECT count(*) FROM {table}")), table


async def test_a_campus_with_a_contract_of_its_own_sees_nothing_that_hangs_on_others() -> None:
    async with quiet_hub() as running:
        own = await running.issue_minor(campus="beijing", signers=(mother(),))
        await a_story_in_hefei(running)
        async with running.hub.database.transaction(FOREIGN) as tx:
            for table in ("contract", "signer", "signing_task"):  # which the conditions of other tables look up
                assert await tx.connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1
            for table in scoped_tables():
                if "contract" in metadata.tables[table].columns:
                    others = text(f"SELECT count(*) FROM {table} WHERE contract IS DISTINCT FROM :own")
                    assert await tx.connection.scalar(others, {"own": own.id}) == 0, table
            assert await tx.connection.scalar(text("SELECT count(*) FROM page_seen")) == 0


async def test_nothing_is_written_into_another_campus() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            signer = (await tx.contracts.list_signers(contract.id))[0]
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with running.hub.database.transaction(FOREIGN) as tx:
                await tx.links.add(signer, DoorKind.COPY, tx.now)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with running.hub.database.transaction(FOREIGN) as tx:
                await tx.record.append(contract.id, "hefei", "forged", "staff:x", {})
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with running.hub.database.transaction(FOREIGN) as tx:
                await tx.contracts.add_version(contract.id, "final", "0" * 64, 1, tx.now)


async def test_the_verbs_of_staff_find_no_contract_of_another_campus() -> None:
    async with quiet_hub() as running:
        services, contract = running.hub.services, await running.issue_minor()
        somebody = await person(running, contract)
        for scope in (FOREIGN, NOWHERE):
            with pytest.raises(ContractNotFound):
                await void(services, scope, contract.id, "reason", "staff:x")
            with pytest.raises(ContractNotFound):
                await extend(services, scope, contract.id, contract.deadline, "staff:x")
            async with running.hub.database.transaction(scope) as tx:
                with pytest.raises(ContractNotFound):
                    await remind_by_hand(services, tx, contract.id, "staff:x")
            wanted = WantedLink(contract.id, somebody.signer.id, DoorKind.QR)
            async with running.hub.database.transaction(scope) as tx:
                with pytest.raises(ContractNotFound):
                    await hand_out_link(services, tx, wanted, "staff:x")
                assert await tx.contracts.list_page() == []
                assert await tx.contracts.list_signers(contract.id) == []
                assert await tx.contracts.list_signers_at(GUARDIAN_PHONE) == []
                assert await tx.contracts.list_versions(contract.id) == []
                assert await tx.tasks.list_of_contract(contract.id) == []
                assert await tx.deliveries.list_of_contract(contract.id) == []
                assert await tx.signatures.list_of_contract(contract.id) == []
                assert await tx.record.list_entries(contract.id) == []
                assert await tx.record.get_values(contract.id) == {}
                assert await tx.reminders.list_of_contract(contract.id) == []
