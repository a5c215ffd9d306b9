"""`qianda evidence NUMBER`: take out the evidence package of a contract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.command_hub import said_plainly, say, with_hub
from hub.model.staff.accounts import EVERYTHING

if TYPE_CHECKING:
    from hub.wiring import Hub


def evidence(
    number: Annotated[str, typer.Argument(help="The contract's number.")],
    out: Annotated[Path | None, typer.Option(help="The new file. [default: NUMBER-evidence.zip]")] = None,
    version: Annotated[int | None, typer.Option(help="1: as it was signed. [default: the newest]", min=1)] = None,
) -> None:
    """Write the evidence package of a contract that has ended into a new file. The contract's record says so."""
    from hub.lifecycle.evidence.open_package import open_package

    async def act(hub: Hub) -> bytes:
        async with hub.database.transaction(EVERYTHING) as tx:
            package = await open_package(tx, await tx.contracts.by_number(number), "command-line", version)
        return await hub.services.files.get(package.sha256)

    with said_plainly():
        file = out or Path(f"{number}-evidence.zip")
        content = with_hub(act)
        with file.open("xb") as new:
            new.write(content)
        say(f"{file}: {len(content)} bytes")
