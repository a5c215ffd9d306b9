"""`qianda hold place`, `lift` and `list`: keep the data of contracts that are in dispute from being erased."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.with_hub import Commands, say, with_hub
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING

if TYPE_CHECKING:
    from hub.wiring import Hub

app = Commands(no_args_is_help=True, help="Keep contracts in dispute from being erased.")
Number = Annotated[str, typer.Argument(help="The contract's number.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. It is written into the contract's record.")]


@app.command()
def place(
    number: Number,
    reason: Reason,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day of the hold, at the contract's campus.")
    ] = None,
) -> None:
    """Hold a contract. Neither the contract nor a person in it is erased until the hold ends."""
    from hub.lifecycle.evidence.hold import place_hold
    from hub.model.school.entered_day import end_of_day

    async def act(hub: Hub) -> str:
        async with hub.database.transaction(EVERYTHING) as tx:
            contract = await tx.contracts.get_by_number(number)
            zone = (await tx.school.get_campus(contract.campus)).zone
        why = reason, end_of_day(until and until.date(), zone)
        return (await place_hold(hub.services, EVERYTHING, contract.id, why, COMMAND_LINE.actor)).describe(zone)

    say(f"{number}: {with_hub(act)}")


@app.command()
def lift(number: Number, reason: Reason) -> None:
    """Lift the hold of a contract."""
    from hub.lifecycle.evidence.hold import lift_hold

    async def act(hub: Hub) -> None:
        async with hub.database.transaction(EVERYTHING) as tx:
            contract = await tx.contracts.get_by_number(number)
        await lift_hold(hub.services, EVERYTHING, contract.id, reason, COMMAND_LINE.actor)

    with_hub(act)
    say(f"{number} is no longer held.")


@app.command("list")
def list_() -> None:
    """List the contracts that are held."""

    async def act(hub: Hub) -> list[str]:
        async with hub.database.transaction(EVERYTHING) as tx:
            holds = await tx.holds.list_active(tx.now)
            zones = {campus.id: campus.zone for campus in await tx.school.list_campuses()}
            numbers = [(await tx.contracts.get(each.contract)).number for each in holds]
        return [f"{n}: {hold.describe(zones[hold.campus])}" for n, hold in zip(numbers, holds, strict=True)]

    held = with_hub(act)
    for line in held:
        say(line)
    if not held:
        say("No contract is held.")
