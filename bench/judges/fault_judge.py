"""Judge a run of `qianda bench faults` by the ledgers of the outside services, the finished files and the record."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.judges.finished import Finished, read_finished, read_package
from bench.judges.ledger_judge import Ledgers, SignedPackages, is_sealed_once, judge_files
from bench.programs.endings import ask
from bench.programs.server import Server
from bench.simulated.crowd import CrowdPerson
from bench.simulated.night import CLOSES, OPENS
from bench.simulated.population import Population
from bench.simulated.providers import Taken, read_ledger
from bench.stage import Stage
from hub.model.messaging.delivery import PLANNED

READERS = 2
# This many finished files, evenly chosen, also get the product's own quick check, which takes most of the time.
MAX_CHECKED = 1000
# The keys of planned messages begin with this; all other messages answer an act of a person.
STEP = "step-"


async def unsettled(server: Server) -> int:
    """Return how many contracts, messages and tasks the hub is still working on, or is about to."""
    rows = await ask(
        server,
        "SELECT (SELECT count(*) FROM contract WHERE state = 'SIGNED'),"
        " (SELECT count(*) FROM delivery WHERE state = 'sending' OR state = 'unknown'),"
        " (SELECT count(*) FROM signing_task WHERE state = 'OPEN' AND claimable_at < now() + interval '5 minutes')",
    )
    return sum(rows[0])


async def judge(server: Server, people: Population, stage: Stage) -> dict[str, float]:
    taken = read_ledger(stage.ledger("sms_twilio"))
    ledgers = Ledgers.read(*(stage.ledger(name) for name in ("authority", "timestamps", "seal")))
    finished = await _finished(server)
    outside = judge_files(finished, ledgers, await _packages(server))
    completed = sum(file.well and is_sealed_once(file, ledgers) for file in finished)
    lost = len(people.signing) - completed + await _not_as_wanted(server, people) + not_reached(people, taken)
    outside["sealed_twice"] += await _noted_twice(server)
    return {
        "lost": lost,
        "sent_twice": sum(count - 1 for count in Counter(each.key for each in taken).values()),
        "sent_after_signing": await _after_signing(server),
        "sent_in_quiet_hours": at_night(people, taken),
        "issued_twice": await _issued_twice(server),
        "completed": completed,
        "messages": len(taken),
        **outside,
    }


def not_reached(people: Population, taken: Iterable[Taken]) -> int:
    reached = {each.to for each in taken if each.key.startswith(STEP)}
    return sum(phone not in reached for phone in people.reached)


def at_night(people: Population, taken: Iterable[Taken]) -> int:
    """Count the messages, in the provider's ledger, to people for whom it is night during the whole run."""
    asleep = {each.phone for each in people.asleep}
    return sum(each.to in asleep for each in taken)


# ---- whether contracts ended as they should


async def _not_as_wanted(server: Server, people: Population) -> int:
    """Count the people who do not sign and whose contract is not as it should be.

    It should be DECLINED or EXPIRED; for people who are asleep, a reminder that was due at night waits for the morning.
    """
    found = len(people.declining) - await _in_state(server, people.declining, "DECLINED")
    found += len(people.expiring) - await _in_state(server, people.expiring, "EXPIRED")
    rows = await ask(
        server,
        "SELECT count(*) FROM signing_task JOIN signer ON signer.id = signing_task.signer"
        " WHERE signer.id = ANY($1::uuid[]) AND state = 'OPEN' AND next_step = 'reminder'"
        " AND next_due_at > now() AND extract(hour FROM next_due_at AT TIME ZONE zone) BETWEEN $2 AND $3",
        [each.signer for each in people.asleep],
        OPENS,
        CLOSES - 1,
    )
    return found + len(people.asleep) - int(rows[0][0])


async def _in_state(server: Server, people: Sequence[CrowdPerson], state: str) -> int:
    rows = await ask(
        server,
        "SELECT count(*) FROM contract JOIN signer ON signer.contract = contract.id"
        " WHERE signer.id = ANY($1::uuid[]) AND state = $2",
        [each.signer for each in people],
        state,
    )
    return int(rows[0][0])


async def _issued_twice(server: Server) -> int:
    rows = await ask(server, "SELECT count(external_id) - count(DISTINCT external_id) FROM contract")
    return int(rows[0][0])


async def _finished(server: Server) -> list[Finished]:
    """Read every finished file, in a pool of processes."""
    rows = await ask(server, "SELECT document, fields FROM contract WHERE state = 'COMPLETED'")
    folder, loop = server.folder / "data" / "files", asyncio.get_running_loop()
    each = max(1, len(rows) // MAX_CHECKED)
    with ProcessPoolExecutor(READERS, get_context("spawn")) as pool:
        return await asyncio.gather(
            *(
                loop.run_in_executor(pool, read_finished, _path(folder, str(row[0])), tuple(row[1]), number % each == 0)
                for number, row in enumerate(rows)
            )
        )


async def _packages(server: Server) -> SignedPackages:
    """Read the first version of each evidence package: later ones have the same signature."""
    rows = await ask(server, "SELECT file, pieces FROM evidence_package WHERE version = 1")
    begun = await ask(server, "SELECT count(*) FROM attempt WHERE kind = 'evidence'")
    folder = server.folder / "data" / "files"
    signatures = [read_package(_joined(folder, str(row[0]), row[1])) for row in rows]
    return SignedPackages(signatures, int(begun[0][0]) - len(signatures))


def _joined(folder: Path, file: str, pieces: str | None) -> bytes:
    """Return a package. `pieces` (JSON): how to put it together; None if the file is the whole package."""
    if pieces is None:
        return _path(folder, file).read_bytes()
    found = b""
    for each in json.loads(pieces):
        content = _path(folder, each["file"]).read_bytes()
        found += content[each["start"] : each["start"] + each["length"]]
    return found


def _path(folder: Path, document: str) -> Path:
    return folder / document[:2] / document


# ---- what the chained record says


async def _noted_twice(server: Server) -> int:
    """Count finished contracts whose record has more than one `seal-used` or `completed` entry."""
    rows = await ask(
        server,
        "SELECT count(DISTINCT contract) FROM (SELECT contract FROM record_entry WHERE kind = ANY($1)"
        " GROUP BY contract, kind HAVING count(*) > 1) AS twice",
        ["seal-used", "completed"],
    )
    return int(rows[0][0])


async def _after_signing(server: Server) -> int:
    """Count planned messages whose `sending` entry comes after the signature in the contract's record. The record is
    chained in the order of commits."""
    rows = await ask(
        server,
        "SELECT count(*) FROM record_entry AS sent JOIN record_entry AS signed USING (contract)"
        " WHERE sent.kind = 'message-sending' AND signed.kind = 'signature-accepted'"
        " AND sent.sequence > signed.sequence AND sent.facts ->> 'purpose' = ANY($1)",
        [purpose.value for purpose in PLANNED],
    )
    return int(rows[0][0])
