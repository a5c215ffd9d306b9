"""`qianda evidence NUMBER`: write a contract's evidence package into a file; `qianda renew`: renew evidence in time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.with_hub import say, with_hub
from hub.errors import BadInput
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING

if TYPE_CHECKING:
    from hub.wiring import Hub

# Algorithms by which packages may be hashed anew.
ALGORITHMS = ("sha384", "sha512")


def evidence(
    number: Annotated[str, typer.Argument(help="The contract's number.")],
    out: Annotated[Path | None, typer.Option(help="The new file. [default: NUMBER-evidence.zip]")] = None,
    version: Annotated[int | None, typer.Option(help="1: the package as signed. [default: the newest]", min=1)] = None,
    addendum: Annotated[
        bool,
        typer.Option(
            "--addendum",
            help="Write the addendum instead: what happened after the package was signed. With --version: the addendum "
            "of this number.",
        ),
    ] = False,
) -> None:
    """Write the evidence package of an ended contract into a new file. The contract's record notes this."""
    from hub.lifecycle.evidence.make_addendum import add_addendum, open_addendum
    from hub.lifecycle.evidence.open_package import open_package
    from hub.lifecycle.evidence.renewed_record import add_renewed_version

    async def act(hub: Hub) -> bytes:
        async with hub.database.transaction(EVERYTHING) as tx:
            contract = await tx.contracts.get_by_number(number)
        if version is None:
            await (add_addendum if addendum else add_renewed_version)(hub.services, contract.id)
        async with hub.database.transaction(EVERYTHING) as tx:
            package = await (open_addendum if addendum else open_package)(tx, contract, COMMAND_LINE.actor, version)
        return await hub.services.files.get(package.sha256)

    file = out or Path(f"{number}-{'addendum' if addendum else 'evidence'}.zip")
    content = with_hub(act)
    with file.open("xb") as new:
        new.write(content)
    say(f"{file}: {len(content)} bytes")


DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what is due, and renew nothing.")]
Algorithm = Annotated[
    str | None, typer.Option("--hash", help="Hash all packages anew by this algorithm, for example sha512.")
]


def renew_command(dry_run: DryRun = False, algorithm: Algorithm = None) -> None:
    """Renew timestamps whose certificates end within 180 days, and hash trees whose algorithm does (RFC 4998).

    A worker does the same automatically, every hour.
    """
    from hub.lifecycle.evidence.renew import hash_anew, plan_renewal, renew

    async def act(hub: Hub) -> int:
        plan = await plan_renewal(hub.services)
        for name, due in plan.due.items():
            say(f"due: {len(due)} timestamps of trees by {name}, the first ends at {min(each.ends for each in due)}")
        for name, number in plan.anew.items():
            say(f"due: {number} packages to be hashed anew by {name}")
        if plan.ended:
            say(f"too late: {len(plan.ended)} timestamps, whose certificates have expired")
        if dry_run:
            if not (plan.due or plan.anew or plan.ended):
                say("nothing is due")
            return 0
        number = await renew(hub.services) + (await hash_anew(hub.services, algorithm) if algorithm else 0)
        say(f"{number} timestamps obtained" if number else "nothing was due")
        return number

    if algorithm not in (None, *ALGORITHMS):
        raise BadInput(f"--hash is one of {', '.join(ALGORITHMS)}", field="hash")
    with_hub(act)
