"""`qianda seal FILE…`: have files sealed by a hub. It also works where only the small package is installed."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from qianda.terminal_language import language_of_environment

if TYPE_CHECKING:
    from qianda.seal_client import SealedResult, SealOptions

DEFAULT_COMMAND = "files"
ALL_DONE, SOME_FAILED, NOT_POSSIBLE = 0, 1, 2


class SealGroup(TyperGroup):
    """The group `seal`. Arguments that are not one of its commands are files to be sealed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


def seal_files(
    files: Annotated[list[Path], typer.Argument(help="PDF and OFD files.", exists=True, dir_okay=False)],
    place: Annotated[
        str, typer.Option(help="page:3,105,200 (middle, mm from left and top), page:last,X,Y, or as below.")
    ] = "",
    keyword: Annotated[str, typer.Option(help="Over these words, which must occur once.")] = "",
    which: Annotated[str, typer.Option(help="Which occurrence of the keyword: 2, or all.")] = "",
    field: Annotated[str, typer.Option(help="In this empty signature field of the file.")] = "",
    across: Annotated[bool, typer.Option("--across", help="Across the edges of all pages (骑缝章).")] = False,
    lasting: Annotated[
        bool, typer.Option("--lasting", help="With timestamps and the data for validation years later (B-LTA).")
    ] = False,
    seal: Annotated[str, typer.Option(help="The seal's name. [default: the configured one]")] = "",
    server: Annotated[str, typer.Option(envvar="QIANDA_SERVER", help="The hub, https://…")] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="File with the API key in its first line. [default: QIANDA_API_KEY]")
    ] = None,
    output: Annotated[Path, typer.Option(help="A folder for the sealed files.")] = Path("sealed"),
    again: Annotated[bool, typer.Option("--again", help="Send files that failed in that job once more.")] = False,
) -> None:
    """Have files sealed.

    Exit code 0: all files are sealed. 1: some failed, with the reason. 2: the request could not be made. Within 24
    hours, the same call continues the same job and repeats its failures; --again sends the failed files once more.
    """
    where = _place(place, keyword, which, field, across=across)
    key = key_file.read_text("utf-8").partition("\n")[0].strip() if key_file else os.environ.get("QIANDA_API_KEY", "")
    if not server or not key:
        _give_up("Name the hub with --server (QIANDA_SERVER), and its API key with --key-file (QIANDA_API_KEY).")
    try:
        from qianda.seal_client import SealOptions  # these libraries belong to an extra
    except ImportError as error:
        _give_up(f"Sealing needs the extra 'client'; not available here: {error}.")
    output.mkdir(parents=True, exist_ok=True)
    options = SealOptions(where, "lasting" if lasting else "plain", seal)
    results = asyncio.run(_seal(_FilePlaces(server, key, output, again), files, options))
    chinese = language_of_environment() == "zh"
    for result in results:
        if result.target is None:
            typer.echo(f"{result.file}: {result.reason[chinese]}", err=True)
    failed = sum(1 for result in results if result.target is None)
    sealed = len(results) - failed
    said = f"已盖章 {sealed}，失败 {failed}" if chinese else f"sealed {sealed}, failed {failed}"
    typer.echo(f"{said}: {output}")
    raise typer.Exit(SOME_FAILED if failed else ALL_DONE)


@dataclass(frozen=True)
class _FilePlaces:
    """Where files are sent, and where results are written. `again`: see `SealingClient.seal`."""

    server: str
    key: str
    output: Path
    again: bool


async def _seal(errand: _FilePlaces, files: list[Path], options: SealOptions) -> list[SealedResult]:
    import aiohttp
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from qianda.seal_client import SealingClient, SealProblem

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("签章 sealing", total=len(files))
        client = SealingClient(errand.server, errand.key, lambda done: progress.update(task, completed=done))
        try:
            return [result async for result in client.seal(files, options, errand.output, again=errand.again)]
        except (SealProblem, OSError, aiohttp.ClientError, TimeoutError) as error:
            _give_up(str(error) or type(error).__name__)


def _place(place: str, keyword: str, which: str, field: str, *, across: bool) -> str:
    """Return the one place that was given, in the API's form."""
    named = [place] if place else []
    if keyword:
        named.append(f"keyword#{which}:{keyword}" if which else f"keyword:{keyword}")
    if field:
        named.append(f"field:{field}")
    if across:
        named.append("across")
    if len(named) != 1:
        _give_up("Say where the seal goes, in one way: --place, --keyword, --field or --across.")
    return named[0]


def _give_up(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(NOT_POSSIBLE)


def seal_group() -> typer.Typer:
    """Return the group with only this command, for installations without the server."""
    group = typer.Typer(cls=SealGroup, no_args_is_help=True, help="Have files sealed by a hub.")
    group.command(DEFAULT_COMMAND)(seal_files)
    return group
