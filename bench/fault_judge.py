"""The verdict of `qianda bench faults`: from the ledgers of others, the finished files and the chained record."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from bench.crowd import Person
from bench.providers import read_ledger
from bench.server import Server
from hub.model.delivery import PLANNED
from hub.model.signature import SEAL_FIELD
from hub.store.cipher import Cipher
from hub.store.files import Files
from hub.store.keys import Keys
from qianda.verify.structure import check_finished

ASK_SECONDS = 120.0
FINAL = ("COMPLETED", "DECLINED", "EXPIRED")
_STATES = (
    "SELECT contract.state, count(*) FROM contract JOIN signer ON signer.contract = contract.id WHERE {} GROUP BY 1"
)


async def ask(server: Server, statement: str, *values: Any) -> list[asyncpg.Record]:
    """As the owner, on a connection of its own: the database may just have been killed."""
    deadline = asyncio.get_running_loop().time() + ASK_SECONDS
    while True:
        try:
            connection = await asyncpg.connect(server.postgres.dsn("owner"), timeout=5)
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close(timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)


async def unfinished(server: Server, phones: Sequence[str], keys: Keys) -> int:
    """How many contracts of these numbers have not come to an end."""
    hashes = [Cipher(keys).found_by("phone", phone) for phone in phones]
    rows = await ask(server, _STATES.format("phone_hash = ANY($1::bytea[])"), hashes)
    return sum(int(count) for state, count in rows if state not in FINAL)


@dataclass(frozen=True)
class Expected:
    """What is to become of whom: `signing` are numbers, the others copies of a contract that fall due in this run."""

    signing: Sequence[str]
    declining: Sequence[Person]
    expiring: Sequence[Person]
    others: Sequence[Person]

    async def open(self, server: Server) -> int:
        """How many of those that expire, and of all messages and files that the hub still works on, are open."""
        rows = await ask(
            server, "SELECT (SELECT count(*) FROM contract WHERE state = 'SIGNED'),"
            " (SELECT count(*) FROM delivery WHERE state = 'sending' OR state = 'unknown'),"
            " (SELECT count(*) FROM signing_task WHERE state = 'OPEN' AND next_step IN ('invitation', 'expiry')"
            "  AND claimable_at < now() + interval '5 minutes')",
        )  # fmt: skip
        return sum(rows[0])


async def judge(server: Server, expected: Expected, messages: Path, stamps: Path) -> dict[str, float]:
    """All figures but the number of kills."""
    taken = read_ledger(messages)
    reached = {each.to for each in taken if each.key.startswith("step-")}
    invited = [each.phone for each in expected.others] + list(expected.signing)
    keys = Counter(each.key for each in taken)
    completed = await _completed(server, stamps)
    lost = sum(phone not in reached for phone in invited) + (len(expected.signing) - completed["well"])
    lost += await _not_in(server, expected.declining, "DECLINED") + await _not_in(server, expected.expiring, "EXPIRED")
    return {
        "lost": lost, "sent_twice": sum(count - 1 for count in keys.values()),
        "sealed_twice": completed["sealed_twice"], "sent_after_signing": await _after_signing(server),
        "completed": completed["well"], "not_stamped": completed["not_stamped"], "messages": len(taken),
        "sent_in_quiet_hours": await _at_night(server),
    }  # fmt: skip


async def _not_in(server: Server, people: Sequence[Person], state: str) -> int:
    rows = await ask(server, _STATES.format("signer.id = ANY($1::uuid[])"), [each.signer for each in people])
    return len(people) - sum(int(count) for found, count in rows if found == state)


async def _completed(server: Server, stamps: Path) -> Counter[str]:
    """Each finished file has exactly its expected signatures, and the service's ledger knows the seal's timestamp."""
    files, found = Files.at(str(server.folder / "data" / "files")), Counter[str]()
    stamped = {json.loads(line)["imprint"] for line in stamps.read_text().splitlines()}
    for contract, document, fields in await ask(
        server, "SELECT id, document, fields FROM contract WHERE state = 'COMPLETED'"
    ):
        final = await files.get(str(document))
        found["well"] += not check_finished(final, (*fields, SEAL_FIELD))
        uses = await ask(
            server, "SELECT kind, count(*) FROM record_entry WHERE contract = $1 AND kind = ANY($2) GROUP BY kind",
            contract, ["seal-used", "completed"],
        )  # fmt: skip
        found["sealed_twice"] += any(count > 1 for _, count in uses)
        found["not_stamped"] += not await _is_stamped(server, contract, stamped)
    return found


async def _is_stamped(server: Server, contract: UUID, stamped: set[str]) -> bool:
    """A signature's timestamp is over the SHA-256 of its value."""
    rows = await ask(
        server, "SELECT signature FROM signature_request WHERE contract = $1 AND signature IS NOT NULL", contract
    )
    return all(hashlib.sha256(bytes(row[0])).hexdigest() in stamped for row in rows)


async def _after_signing(server: Server) -> int:
    """Planned messages whose `sending` stands in a contract's record after its signature: the record is chained in the
    order in which transactions committed."""
    rows = await ask(
        server, "SELECT count(*) FROM record_entry AS sent JOIN record_entry AS signed USING (contract)"
        " WHERE sent.kind = 'message-sending' AND signed.kind = 'signature-accepted'"
        " AND sent.sequence > signed.sequence AND sent.facts ->> 'purpose' = ANY($1)",
        [purpose.value for purpose in PLANNED],
    )  # fmt: skip
    return int(rows[0][0])


async def _at_night(server: Server) -> int:
    """Planned messages that answer nobody's act and were written outside 9 to 21 o'clock where their signer lives."""
    rows = await ask(
        server, "SELECT count(*) FROM delivery JOIN signer ON signer.id = delivery.signer"
        " WHERE purpose IN ('reminder', 'last-call')"
        " AND extract(hour FROM delivery.created_at AT TIME ZONE signer.zone) NOT BETWEEN 9 AND 20",
    )  # fmt: skip
    return int(rows[0][0])
