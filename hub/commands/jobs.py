"""`qianda jobs list`, `retry` and `drop`: jobs of the workers that failed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.with_hub import Commands, say, say_time, with_hub
from hub.errors import BadInput
from hub.model.staff.scope import EVERYTHING

if TYPE_CHECKING:
    from hub.store.operation.failed_jobs import FailedJob
    from hub.store.transaction import Transaction
    from hub.wiring import Hub

app = Commands(no_args_is_help=True, help="Jobs that failed. Workers try them again by themselves.")
Job = Annotated[int, typer.Argument(help="The job's number, as `qianda jobs list` shows it.")]


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="One object in JSON on each line.")] = False) -> None:
    """List the jobs that failed, each with the reason."""

    async def act(hub: Hub) -> list[FailedJob]:
        async with hub.database.transaction(EVERYTHING) as tx:
            return await tx.failed_jobs.list_all()

    failed = with_hub(act)
    for job in failed:
        say(json.dumps(asdict(job), default=str) if as_json else _describe(job))
    if not failed and not as_json:
        say("No job has failed.")


@app.command()
def retry(job: Job) -> None:
    """Run a failed job again now, without waiting for the time at which it would be tried."""

    async def act(tx: Transaction, is_done_by_another: bool) -> str:
        if is_done_by_another:
            raise BadInput(f"another job for the same work is waiting or running: job {job} follows it by itself")
        await tx.failed_jobs.retry(job)
        return f"Job {job} waits for a worker, which begins it within seconds."

    say(with_hub(lambda hub: _change(hub, job, act)))


@app.command()
def drop(job: Job) -> None:
    """Delete a failed job. If its work is still to be done, the hub plans it again; only a `replan` is lost."""

    async def act(tx: Transaction, _: bool) -> str:
        await tx.failed_jobs.drop(job)
        return f"Job {job} was deleted."

    say(with_hub(lambda hub: _change(hub, job, act)))


async def _change(hub: Hub, job: int, act: Callable[[Transaction, bool], Awaitable[str]]) -> str:
    """Lock a failed job and act on it. `act` gets whether another job does the same work. Raises BadInput."""
    async with hub.database.transaction(EVERYTHING) as tx:
        is_done_by_another = await tx.failed_jobs.lock(job)
        if is_done_by_another is None:
            raise BadInput(f"no failed job has the number {job}: it may have ended meanwhile (`qianda jobs list`)")
        return await act(tx, is_done_by_another)


def _describe(job: FailedJob) -> str:
    about = " ".join(f"{name}={value}" for name, value in job.payload.items())
    times = f"since {say_time(job.created)}, last tried {say_time(job.failed_at)}"
    return f"{job.id}  {job.kind}  {about}  {times}  {job.reason or 'the log of the worker has the reason'}"
