"""The root of each day goes to the configured notary once, its receipt is kept, and `doctor --records` misses none."""

from __future__ import annotations

from datetime import timedelta

from hub.lifecycle.evidence.build_tree import build_tree
from hub.lifecycle.evidence.notarise import notarise
from hub.model.staff.scope import EVERYTHING
from hub.notaries.ots_proof import BITCOIN, read_proof_file
from tests.database import tamper
from tests.evidence.test_trees import SWITCH, faults
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.notaries.calendar import OtsCalendar
from tests.running import Running

RECEIPT_SWITCH = "ALTER TABLE hash_tree_receipt {0} TRIGGER keep_evidence"


async def a_day_later(running: Running, clock: StandingClock) -> None:
    await running.issue_minor()
    assert await build_tree(running.hub.services)
    clock.advance(timedelta(days=1))


async def attempts(running: Running) -> list[tuple[str, bool]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        rows = await tx.connection.fetch("SELECT state, failure FROM attempt WHERE kind = 'notary' ORDER BY started_at")
    return [(row["state"], row["failure"] is not None) for row in rows]


async def test_roots_go_to_a_calendar_and_come_back_with_a_block() -> None:
    clock, calendar = StandingClock(), OtsCalendar()
    async with calendar.serving():
        configured = {"notaries": {"calendar": {"kind": "opentimestamps", "url": calendar.url}}}
        async with quiet_hub(clock, configured=configured) as running:
            services = running.hub.services
            await a_day_later(running, clock)
            for calendar.status, calendar.garble in ((503, False), (200, True)):
                assert await notarise(services) == 0
            assert await attempts(running) == [("failed", True)] * 2 and len(calendar.digests) == 2
            assert await faults(running) == []  # a day may pass without a receipt
            clock.advance(timedelta(days=2))
            assert [each for each in await faults(running) if "1 roots have no receipt" in each]
            calendar.garble = False
            assert await notarise(services) == 1
            assert await notarise(services) == 0 and len(calendar.digests) == 3  # nothing is given again
            calendar.height = 925_123
            assert await notarise(services) == 1
            assert await notarise(services) == 0 and len(calendar.digests) == 3
            assert await faults(running) == []
            async with running.hub.database.transaction(EVERYTHING) as tx:
                promise, final = await tx.notary_receipts.list_given("calendar")
            assert promise.root == final.root == calendar.digests[0]
            assert promise.reference in calendar.promises and final.reference == "bitcoin block 925123"
            assert final.receipt and BITCOIN in [each.tag for each in read_proof_file(final.root, final.receipt)]
            await tamper(running.hub.database.dsn, SWITCH.format("DISABLE"))
            await tamper(running.hub.database.dsn, "UPDATE hash_tree SET root = sha256('x')")
            assert len([each for each in await faults(running) if "is not for this root" in each]) == 2


async def test_a_stored_receipt_that_cannot_be_read_holds_nothing_else_up() -> None:
    clock, calendar = StandingClock(), OtsCalendar()
    async with calendar.serving():
        entry = {"kind": "opentimestamps", "url": calendar.url}
        async with quiet_hub(clock, configured={"notaries": {"a": entry, "b": entry}}) as running:
            for _ in range(2):
                await a_day_later(running, clock)
            assert await notarise(running.hub.services) == 4
            newest = "notary = 'a' AND day = (SELECT max(day) FROM hash_tree)"  # the one that is asked for first
            harm = f"UPDATE hash_tree_receipt SET receipt = 'x' WHERE {newest}"
            await tamper(running.hub.database.dsn, f"{RECEIPT_SWITCH.format('DISABLE')}; {harm}")
            calendar.height = 925_123
            assert await notarise(running.hub.services) == 3
            assert [each for each in await attempts(running) if each != ("done", False)] == [("failed", True)]
