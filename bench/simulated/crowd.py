"""Create very many signers by copying the rows of one contract that the product itself has issued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from bench.programs.server import Server
from bench.simulated.providers import Taken
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.school.import_roster import load_school
from hub.model.contract.signer import Role
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys
from hub.store.transaction import Database
from hub.wiring import Hub, build

GENERATED = ("claimable_at", "number_reversed")
AT_ONCE = 1000
Row = Mapping[str, Any]


@dataclass(frozen=True)
class CrowdPerson:
    """A signer with a signing task and a phone number that no other signer has."""

    phone: str
    signer: UUID


@dataclass(frozen=True)
class Crowd:
    """Signers that are copied from one contract. `contract`, `signer` and `task`: the rows to copy."""

    server: Server
    keys: Keys
    contract: Row
    signer: Row
    task: Row

    @classmethod
    async def of_school(cls, server: Server, channels: Mapping[str, Any]) -> Crowd:
        """Load the demo school and issue one contract to copy. Its own task is put off by 20 days."""
        hub = await build(server.settings(channels=channels), server.postgres.dsn("app"), demo=False)
        try:
            await load_school(hub.database, PACKED / "demo" / "seeds")
            contract = await _issued(hub)
            database, found = server.database, ("signer", "signing_task")
            rows = [await _row(database, "contract", "id", contract)]
            rows += [await _row(database, table, "contract", contract) for table in found]
            await database.execute("UPDATE signing_task SET next_due_at = now() + interval '20 days'")
            return cls(server, hub.database.keys, *rows)
        finally:
            await hub.close()

    async def invite(self, first: int, number: int) -> list[CrowdPerson]:
        """Create `number` people, numbered from `first`, whose invitations are due now."""
        people = await self.create(first, number)
        await self.fall_due(people, [datetime.now(UTC)] * len(people))
        return people

    async def create(self, first: int, number: int, zone: str = "") -> list[CrowdPerson]:
        """Create `number` people whose tasks are not open yet. Without `zone`, they live where it is noon."""
        people: list[CrowdPerson] = []
        for begin in range(first, first + number, AT_ONCE):
            rows = [self._copied(each, zone) for each in range(begin, min(begin + AT_ONCE, first + number))]
            people += [CrowdPerson(phone_of(begin + place), each["signer"]["id"]) for place, each in enumerate(rows)]
            for table in ("contract", "signer", "signing_task"):
                await _copy(self.server.database, table, [each[table] for each in rows])
            await self.server.database.execute(
                _THEIR_FILE, self.contract["id"], [each["contract"]["id"] for each in rows]
            )
        await self.server.database.execute("ANALYZE contract, signer, signing_task, document_version")
        return people

    async def fall_due(self, people: Sequence[CrowdPerson], moments: Sequence[datetime]) -> None:
        """Open each person's task as of the moment at the same index. The invitation is due at that moment."""
        await self.server.database.execute(
            "UPDATE signing_task SET state = 'OPEN', invited_at = due, next_due_at = due"
            " FROM unnest($1::uuid[], $2::timestamptz[]) AS theirs (person, due) WHERE signer = person",
            [person.signer for person in people],
            list(moments),
        )
        await self.server.database.execute("NOTIFY plan_changed")

    async def fall_due_again(self, people: Sequence[CrowdPerson], moments: Sequence[datetime]) -> None:
        """Open the task of each person as if they were invited a day ago. The first reminder is due at the moment of
        the same index."""
        await self.server.database.execute(
            "UPDATE signing_task SET state = 'OPEN', next_step = 'reminder', step_number = 1, next_due_at = due,"
            " invited_at = due - interval '1 day'"
            " FROM unnest($1::uuid[], $2::timestamptz[]) AS theirs (person, due) WHERE signer = person",
            [person.signer for person in people],
            list(moments),
        )

    async def sent(self, first: int, number: int, provider: str) -> list[Taken]:
        """Create `number` people, each with one message that this provider accepted."""
        rows = [self._copied(each) for each in range(first, first + number)]
        messages = [self._message(row, place, provider) for place, row in enumerate(rows, first)]
        for table in ("contract", "signer", "signing_task"):
            await _copy(self.server.database, table, [each[table] for each in rows])
        await _copy(self.server.database, "delivery", messages)
        await self.server.database.execute("ANALYZE contract, signer, signing_task, delivery")
        return [
            Taken(phone_of(place), each["key"], each["provider_reference"], each["created_at"])
            for place, each in enumerate(messages, first)
        ]

    def _message(self, row: Mapping[str, Row], number: int, provider: str) -> dict[str, Any]:
        cipher, at, task, phone = Cipher(self.keys), datetime.now(UTC), row["signing_task"]["id"], phone_of(number)
        return {
            "id": uuid4(),
            "key": f"step-{task}-reminder-1",
            "purpose": "reminder",
            "channel": "sms",
            "provider": provider,
            "language": "en",
            "to_sealed": cipher.encrypt(phone, b""),
            "to_hash": cipher.found_by("phone", phone),
            "text": "…",
            "variables": "{}",
            "state": "sent",
            "contract": row["contract"]["id"],
            "signer": row["signer"]["id"],
            "task": task,
            "campus": self.contract["campus"],
            "person": row["signer"]["person"],
            "created_at": at,
            "planned_at": at,
            "state_at": at,
            "provider_reference": f"SM{number:032x}",
            "rung": 0,
            "calls": 1,
            "check_at": at + timedelta(minutes=10),
        }

    async def tickets(self, people: list[CrowdPerson]) -> list[str]:
        """Return the tickets of links such as staff copy and hand out."""
        database = Database(self.server.postgres.dsn("app"), self.keys, lambda: datetime.now(UTC))
        try:
            async with database.transaction(EVERYTHING) as tx:
                signers = [await tx.contracts.get_signer(person.signer) for person in people]
                links = [await tx.links.get_for_door(signer, DoorKind.COPY, tx.now) for signer in signers]
                return [tx.links.ticket(link) for link in links]
        finally:
            await database.close()

    def _copied(self, number: int, zone: str = "") -> dict[str, dict[str, Any]]:
        contract, signer, cipher, phone = uuid4(), uuid4(), Cipher(self.keys), phone_of(number)
        personal = {
            "phone_sealed": cipher.encrypt(phone, b""),
            "phone_hash": cipher.found_by("phone", phone),
            "phone_tail_hash": None,
            "person": cipher.person("passport", f"B{number:08}"),
            "zone": zone or zone_at_noon(),
        }
        waiting = {"state": "WAITING", "leased_until": None}
        return {
            "contract": {**self.contract, "id": contract, "number": f"{self.contract['number']}-{number}"},
            "signer": {**self.signer, "id": signer, "contract": contract, **personal},
            "signing_task": {**self.task, "id": uuid4(), "contract": contract, "signer": signer, **waiting},
        }


# Gives every copy the file of the original contract.
_THEIR_FILE = """
INSERT INTO document_version (contract, kind, sha256, size, created_at, file)
SELECT theirs, kind, sha256, size, created_at, file FROM document_version, unnest($2::uuid[]) AS theirs
WHERE contract = $1
"""


async def _issued(hub: Hub) -> UUID:
    """Issue the contract to copy, through the product. No worker runs."""
    guardian = NewSigner(Role.GUARDIAN, "陈建国", "+12025550101", "E25550101", "passport", relation="父亲")
    student = NewStudent("陈小满", "cn-id", "340104201209010016")
    contract = await issue(hub.services, EVERYTHING, NewContract("hefei", student, (guardian,), "math-a"), "bench")
    return contract.id


async def _row(database: asyncpg.Connection[asyncpg.Record], table: str, column: str, value: UUID) -> Row:
    record = await database.fetchrow(f"SELECT * FROM {table} WHERE {column} = $1", value)
    assert record
    return {name: each for name, each in record.items() if name not in GENERATED}


async def _copy(database: asyncpg.Connection[asyncpg.Record], table: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    records: Iterator[tuple[Any, ...]] = (tuple(row.values()) for row in rows)
    await database.copy_records_to_table(table, records=records, columns=columns)


def phone_of(number: int) -> str:
    """Return an invented American phone number. Consecutive people have different prefixes, as the parents of a school
    do."""
    return f"+1202{number * 7919 % 10_000_000:07}"


def zone_at_noon() -> str:
    """Return a zone where it is about noon now, so that nothing waits for the morning, whenever the bench runs."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"
