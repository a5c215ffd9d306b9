"""`qianda seal status`, `request`, `install` and `renew`: the certificate of the school's seal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.commands.open_database import opened_database
from hub.commands.with_hub import Commands, check_current, first_line, real_settings, say, with_hub
from hub.errors import BadInput
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING, Actor
from qianda.seal_command import DEFAULT_COMMAND, SealGroup, seal_files

if TYPE_CHECKING:
    from hub.seal_setup import Pkcs12File
    from hub.settings import Settings
    from hub.wiring import Hub

app = Commands(
    cls=SealGroup,
    no_args_is_help=True,
    help="Have files sealed (`qianda seal FILE…`); manage the certificate of the school's seal.",
)
app.command(DEFAULT_COMMAND)(seal_files)


@app.command()
def status() -> None:
    """Show whose certificate the seal has, until when it is valid, and what `qianda verify` will say of it."""
    from hub.seal_setup import seal_status

    async def act(hub: Hub) -> list[str]:
        return seal_status(hub).lines()

    for line in with_hub(act):
        say(line)


@app.command()
def request(
    file: Annotated[Path | None, typer.Option("--out", help="File to write. [default: print it]")] = None,
) -> None:
    """Make a request (PKCS#10) for the seal's key on the token, to send to a certificate authority."""
    from hub.seal_setup import request_seal

    made = asyncio.run(request_seal(real_settings()))
    if file is None:
        say(made.decode().rstrip("\n"))
        return
    file.write_bytes(made)
    say(f"{file}: send it to the authority; then `qianda seal install` its certificate, with its issuers.")


@app.command()
def install(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="The certificate and all above it up to the root, PEM, in any order; or a key with its certificate "
            "(.p12, .pfx), and the certificates above it that it lacks."
        ),
    ],
    password_file: Annotated[
        Path | None, typer.Option(help="Its first line is the password of the .p12. [default: asked for]")
    ] = None,
) -> None:
    """Install a certificate that an authority issued for the seal's key, or a key with its certificate. It is refused,
    with the reason, if it does not match the key, has expired, is not for signing, or has no complete chain."""
    from hub.seal_setup import install_pkcs12, install_seal
    from hub.tokens.pkcs12 import NAMES

    brought = [file for file in files if file.suffix.lower() in NAMES]
    given = [(str(file), file.read_bytes()) for file in files if file not in brought]
    if not brought:
        _change(lambda settings, owner: install_seal(settings, owner, given))
        return
    if len(brought) > 1:
        raise BadInput("a seal has one key: name one .p12", field="file")
    file = _read_pkcs12(brought[0], password_file, given)
    _change(lambda settings, owner: install_pkcs12(settings, owner, file))
    say(f"{brought[0]} still contains the key: delete it, or lock it away.")


def _read_pkcs12(path: Path, password_file: Path | None, above: list[tuple[str, bytes]]) -> Pkcs12File:
    from hub.seal_setup import Pkcs12File

    if password_file is None:
        password = typer.prompt(f"Password of {path.name}", hide_input=True, default="", show_default=False, err=True)
    else:
        password = first_line(password_file)
    return Pkcs12File(str(path), path.read_bytes(), password, above)


@app.command()
def renew(
    name: Annotated[str, typer.Argument(help="Name of another seal. [default: the configured one]")] = "",
    certificate: Annotated[
        list[Path] | None, typer.Option(help="With a name: an outside authority's certificate and all above it.")
    ] = None,
) -> None:
    """Renew the certificate of the seal's key: the built-in authority does it at once; otherwise print the request and
    what to do."""
    from hub.seal_setup import renew_builtin_seal

    if name:
        say(with_hub(lambda hub: _renew_named(hub, name, certificate or [])))
        return
    _change(renew_builtin_seal)


async def _renew_named(hub: Hub, name: str, files: list[Path]) -> str:
    from hub.lifecycle.sealing.seals.make_seal import renew_seal
    from hub.lifecycle.sealing.seals.manage_seals import find_seal

    seal = await find_seal(hub.services, EVERYTHING, name)
    given = [(str(file), file.read_bytes()) for file in files]
    renewed = await renew_seal(hub.services, Actor(COMMAND_LINE.actor, EVERYTHING), seal.id, given)
    return f"{renewed.name}: its certificate is valid until {renewed.ends_at:%Y-%m-%d}."


def _change(act: Callable[[Settings, str], Coroutine[Any, Any, str]]) -> None:
    settings = real_settings()
    with opened_database(settings, as_owner=True) as (_, dsns):
        asyncio.run(check_current(dsns.owner))
        said = asyncio.run(act(settings, dsns.owner))
    for line in with_hub(record_seal_change):
        say(line)
    say(said)


async def record_seal_change(hub: Hub) -> list[str]:
    """Note the seal's change in the school's record, unless it is noted already. Return sentences about the new
    seal."""
    from hub.lifecycle.evidence.school_acts import record_seal
    from hub.seal_setup import seal_status

    async with hub.database.transaction(EVERYTHING) as tx:
        await record_seal(tx, hub.services.sealing.seal.chain[0], COMMAND_LINE.actor)
    return seal_status(hub).lines()
