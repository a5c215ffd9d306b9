"""A hub with its worker in a process under faketime, whose clock this program moves. Prints what reached a person.

python -m tests.lifecycle.jumping FILE    (FILE is faketime's FAKETIME_TIMESTAMP_FILE)
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.lifecycle.contract.new_contract import NewSigner
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from tests.poster_visits import cn_id
from tests.running import GUARDIAN_PHONE, Running, running_hub, until

TEN = 10
OTHERS = iter(f"+86190000009{number:02}" for number in range(20))


class Clock:
    """The file from which faketime reads the offset whenever the process looks at the clock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        local = datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai"))
        morning = local.replace(hour=TEN, minute=0, second=0, microsecond=0)
        self.offset = morning - local + timedelta(days=1)
        self.jump(timedelta(0))

    def jump(self, by: timedelta) -> None:
        self.offset += by
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self.offset.total_seconds():+.0f}\n")
        fresh.replace(self._file)


async def somebody_else_is_invited(running: Running) -> None:
    """Invite another guardian, which shows that the worker is alive and works by this clock."""
    phone = next(OTHERS)
    signer = NewSigner(Role.GUARDIAN, "陈建国", phone, cn_id("19850101", int(phone[-2:]) + 400), relation="父亲")
    await running.issue_minor(signers=(signer,))
    await running.message("invitation", phone)


async def heard(running: Running) -> list[str]:
    return [each["purpose"] for each in await running.messages(GUARDIAN_PHONE)]


async def main(clock: Clock) -> dict[str, object]:
    told: dict[str, object] = {}
    async with running_hub(with_web=False) as running:
        contract = await running.issue_minor()
        await running.message("invitation")

        async def after(name: str, by: timedelta, expected: int) -> None:
            clock.jump(by)
            async with running.hub.database.transaction(EVERYTHING) as tx:
                await tx.tasks.tell_workers()
            await somebody_else_is_invited(running)

            async def enough() -> bool:
                return len(await heard(running)) >= expected

            await until(enough, 60)
            told[name] = await heard(running)

        await after("forward a day", timedelta(days=1, minutes=5), 2)
        await after("back a day", -timedelta(days=1), 2)
        await after("back an hour", -timedelta(hours=1), 2)
        await after("forward nine days", timedelta(days=9), 3)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            tasks = await tx.tasks.list_of_contract(contract.id)
        told["open steps"] = sum(task.step is not None for task in tasks)
    return told


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Clock(Path(sys.argv[1]))))))
