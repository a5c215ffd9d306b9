"""A clock that jumps by an hour or a day, forward or back: no step is lost, and messages do not leave in a burst."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.reminders.run_due import run_step
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from hub.worker.due_step_loop import DueStepLoop
from tests.checkout import ROOT
from tests.lifecycle.clockwork import MORNING, StandingClock, follow, quiet_hub, round_of_work, sent
from tests.lifecycle.reminders.test_reminders import ledger
from tests.lifecycle.signer import tasks_of
from tests.poster_visits import cn_id
from tests.running import GUARDIAN_PHONE, Running

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PHONES = [f"+8619000000{number}" for number in range(801, 817)]


async def everybody(running: Running) -> list[Contract]:
    return [
        await running.issue_minor(
            signers=(NewSigner(Role.GUARDIAN, "陈建国", phone, cn_id("19850101", 800 + number), relation="父亲"),)
        )
        for number, phone in enumerate(PHONES)
    ]


async def test_what_a_jump_of_two_days_made_overdue_is_spread_over_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.lifecycle.reminders.step_batch.BACKLOG", 3)
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        running.worker.due_steps = DueStepLoop(running.hub, lambda _: None, batch=2)
        contracts = await everybody(running)
        await round_of_work(running)
        jumped = MORNING + 2 * DAY + HOUR
        clock.go_to(jumped)
        await round_of_work(running)
        at_once = [phone for phone in PHONES if len(await sent(running, phone)) == 2]
        assert len(at_once) < 6
        await follow(running, clock, MORNING + timedelta(hours=59))
        days = [await sent(running, phone) for phone in PHONES]
        assert [[purpose for purpose, _ in each] for each in days] == [["invitation", "reminder"]] * len(PHONES)
        late = sorted(datetime.strptime(f"2026-{each[1][1]} +0800", "%Y-%m-%d %H:%M %z") for each in days)
        assert all(moment.day == 27 and 11 <= moment.hour < 21 for moment in late)
        assert late[-1] - late[0] > HOUR
        put_off = [
            contract
            for contract in contracts
            if ("skipped", "reminder", "overdue") in await ledger(running, contract.id)
        ]
        assert len(put_off) == len(PHONES) - len(at_once)


@pytest.mark.parametrize("back", [HOUR, DAY])
async def test_a_clock_that_falls_back_sends_nothing_twice_and_goes_on_as_planned(back: timedelta) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + DAY)
        before, planned = await sent(running, GUARDIAN_PHONE), await tasks_of(running, contract)
        clock.moment -= back
        for _ in range(3):
            await round_of_work(running)
        assert await sent(running, GUARDIAN_PHONE) == before
        assert await tasks_of(running, contract) == planned
        await follow(running, clock, MORNING + 7 * DAY)
        assert [at for _, at in await sent(running, GUARDIAN_PHONE)] == [
            "11-25 10:00",
            "11-26 10:00",
            "11-28 10:00",
            "12-02 10:00",
        ]


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
async def test_a_jump_between_claim_and_step_loses_and_doubles_nothing(jump: timedelta) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + DAY - timedelta(minutes=1))
        clock.go_to(MORNING + DAY)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            claimed = await tx.tasks.claim_due(clock(), timedelta(minutes=1), 5)
        clock.moment += jump
        for each in claimed:
            if delivery := await run_step(running.hub.services, each):
                await running.hub.services.messaging.router.send_delivery(delivery, fresh=True)
        for _ in range(3):
            await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "reminder"]
        (task,) = await tasks_of(running, contract)
        assert task.step and task.step.number == 2 and task.step.due_at > clock()


@pytest.mark.real
def test_a_worker_whose_machines_clock_jumps_sends_as_planned(tmp_path: Path) -> None:
    """The product in a process under faketime. `jumping.py` moves the clock and reports what reached the people."""
    if (faketime := shutil.which("faketime")) is None:
        pytest.skip("faketime is not installed")
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"), None)
    assert library, faketime
    moved = tmp_path / "clock"
    moved.write_text("+0\n")
    variables = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(moved),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    environment = dict(os.environ) | variables
    sleeping = [sys.executable, "-c", "import time; time.sleep(0.01)"]
    if subprocess.run(sleeping, env=environment, capture_output=True, check=False).returncode:
        pytest.skip("this faketime (before 0.9.11, as in Debian 12) cannot leave the monotonic clock alone")
    command = [sys.executable, "-m", "tests.lifecycle.jumping", str(moved)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {
        "forward a day": ["invitation", "reminder"],
        "back a day": ["invitation", "reminder"],
        "back an hour": ["invitation", "reminder"],
        "forward nine days": ["invitation", "reminder", "reminder"],
        "open steps": 1,
    }
