"""The command `qianda bench NAME`. It is added to the other commands through the entry point `qianda.commands`."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.results import RESULTS, Result

READY = (
    *("seal", "peers", "verify", "chain", "land", "channels"),
    *("reminders", "faults", "busy", "import", "disk", "processes", "board", "ofd", "seal-jobs"),
)
# Benches whose module has another name.
MODULES = {"import": "rosters", "seal-jobs": "seal_jobs"}
WRONG_NAME = 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(READY)}; or all.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print {name, machine, figures} as JSON.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Number of rounds, contracts or messages.")] = None,
    part: Annotated[str, typer.Option(help="Only one part of it: `calls` of channels.")] = "",
    asleep: Annotated[int | None, typer.Option(min=1000, help="`reminders`: how many contracts sleep.")] = None,
    signing: Annotated[float | None, typer.Option(min=0.2, max=0.4, help="`faults`: the share that signs.")] = None,
    results: Annotated[Path, typer.Option(help="Folder for NAME.json and the ledger NAME.csv.")] = RESULTS,
) -> None:
    """Measure ratios to a peer or a raw limit, taken in the same run."""
    for each in _chosen(name):
        # Imported here because a benchmark imports the whole server, which would delay every other command.
        module = importlib.import_module(f"bench.{MODULES.get(each, each)}")
        for library in ("pyhanko", "pyhanko_certvalidator"):
            logging.getLogger(library).setLevel(logging.CRITICAL)
        if part and part not in getattr(module, "PARTS", ()):
            typer.echo(f"qianda bench: {each} has no part {part}.", err=True)
            raise typer.Exit(WRONG_NAME)
        more: dict[str, Any] = {"part": part} if part else {}
        sizes = {"asleep": asleep, "signing": signing}
        more |= {name: size for name, size in sizes.items() if size and hasattr(module, name.upper())}
        result: Result = module.run(rounds or module.ROUNDS, **more)
        kept = result.keep(results)
        typer.echo(result.as_json() if as_json else _table(result, kept))


def _chosen(name: str) -> tuple[str, ...]:
    if name == "all":
        return READY
    if name in READY:
        return (name,)
    typer.echo(f"qianda bench: {name} is no bench; there are {', '.join(READY)}.", err=True)
    raise typer.Exit(WRONG_NAME)


def _table(result: Result, kept: Path) -> str:
    width = max(map(len, result.figures))
    rows = [f"  {name:{width}}  {value:10.3f}" for name, value in result.figures.items()]
    return "\n".join([result.name, *rows, f"  kept in {kept}, ledger beside it"])


if __name__ == "__main__":
    app()
