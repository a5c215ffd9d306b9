"""`qianda seal list`, `apply`, `approve`, `make`, `grant`, …: manage seals, and write the register of their uses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from hub.commands.with_hub import Commands, first_line, get_headquarters, say, uuid_of, with_hub
from hub.errors import BadInput
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING, Actor

if TYPE_CHECKING:
    from hub.model.sealing.seal import Seal
    from hub.model.sealing.sm2_seal import Sm2Seal
    from hub.wiring import Hub

app = Commands()
Name = Annotated[str, typer.Argument(help="The seal's name.")]
Login = Annotated[str, typer.Option("--as", help="The login of the account that approves.")]
PasswordFile = Annotated[Path | None, typer.Option(help="Its first line is the password. [default: asked for]")]
Certificates = Annotated[
    list[Path] | None,
    typer.Option("--certificate", help="An outside authority's certificate and all above it. [default: built-in]"),
]
DAY = ["%Y-%m-%d"]
_KEEPER = Actor(COMMAND_LINE.actor, EVERYTHING)


@app.command("list")
def list_command() -> None:
    """List all seals: name, kind, campus, state, when each certificate ends, and the SM2 side."""

    async def act(hub: Hub) -> tuple[list[Seal], dict[UUID, Sm2Seal]]:
        from hub.lifecycle.sealing.seals.manage_seals import list_seals

        seals = await list_seals(hub.services, EVERYTHING)
        async with hub.database.transaction(EVERYTHING) as tx:
            return seals, {side.seal: side for side in await tx.sm2_seals.list_all()}

    seals, sides = with_hub(act)
    for seal in seals:
        ends = f"until {seal.ends_at:%Y-%m-%d}" if seal.ends_at else ""
        side = _said_of(sides[seal.id]) if seal.id in sides else ""
        say("  ".join(filter(None, (seal.name, seal.kind.value, seal.campus, seal.state.value, ends, side))))


@app.command("keys")
def keys_command() -> None:
    """List all keys of seals: where each is, which seal uses it, and keys on the tokens that no seal uses."""

    async def act(hub: Hub) -> list[str]:
        from hub.lifecycle.sealing.seals.list_seal_keys import describe_seal_keys

        return await describe_seal_keys(hub.services, EVERYTHING)

    for line in with_hub(act):
        say(line)


@app.command("show")
def show_command(name: Name) -> None:
    """Show a seal: its application, its approvals and its grants."""

    async def act(hub: Hub) -> list[str]:
        seal = await _find(hub, name)
        async with hub.database.transaction(EVERYTHING) as tx:
            request, grants = await tx.seals.get_request(seal.id), await tx.seals.list_grants(seal.id)
        lines = [
            f"{seal.name}: {seal.state.value}, {seal.registered_name}, {seal.registered_code}, key {seal.key_label}"
        ]
        if request is not None:
            lines.append(f"applied for by {request.asked_by}: {request.reason}")
            lines += [f"approved by {who} at {when}" for who, when in request.given.items()]
        for grant in grants:
            limit = f"{grant.used} of {grant.max_uses} uses" if grant.max_uses else "any number of uses"
            until = f", until {grant.expires_at:%Y-%m-%d}" if grant.expires_at else ""
            state = "ended: " if grant.revoked_at else ""
            what = ", ".join(grant.templates) or "any template"
            lines.append(f"{state}grant {grant.id} to {grant.grantee} at {grant.campus} for {what}, {limit}{until}")
        return lines

    for line in with_hub(act):
        say(line)


@app.command("apply")
def apply_command(
    name: Name,
    reason: Annotated[str, typer.Option(help="What the seal is needed for.")],
    kind: Annotated[str, typer.Option(help="company, contract, representative or campus.")] = "contract",
    campus: Annotated[str, typer.Option(help="The campus that it belongs to. [default: headquarters]")] = "",
    organisation: Annotated[str, typer.Option(help="Registered name. [default: the school's]")] = "",
    code: Annotated[str, typer.Option(help="Unified social credit code. [default: the school's]")] = "",
    inscription: Annotated[str, typer.Option(help="The purpose, the campus, or the representative's name.")] = "",
    picture: Annotated[Path | None, typer.Option(help="A PNG with a transparent background. [default: drawn]")] = None,
) -> None:
    """Apply for a seal. Two people have to approve it."""

    async def act(hub: Hub) -> Seal:
        from hub.lifecycle.sealing.seals.manage_seals import NewSealRequest, apply_for_seal

        school = hub.services.documents.school
        asked = NewSealRequest(
            name=name,
            kind=kind,
            campus=campus or (await get_headquarters(hub)).id,
            registered_name=organisation or school.name,
            registered_code=code or school.credit_code,
            inscription=inscription,
            reason=reason,
            picture=picture.read_bytes() if picture else None,
        )
        return await apply_for_seal(hub.services, _KEEPER, asked)

    seal = with_hub(act)
    say(f"Applied for: {seal.name}. Two people approve it: `qianda seal approve {seal.name} --as LOGIN`.")


@app.command("approve")
def approve_command(name: Name, login: Login, password_file: PasswordFile = None) -> None:
    """Approve an application as a person, who is identified by login and password."""
    password = _password(password_file)

    async def act(hub: Hub) -> Seal:
        from hub.lifecycle.sealing.seals.manage_seals import approve_seal

        return await approve_seal(hub.services, await _person(hub, login, password), (await _find(hub, name)).id)

    seal = with_hub(act)
    say(f"Approved by {login}: {seal.name} is {seal.state.value}.")


@app.command("reject")
def reject_command(name: Name) -> None:
    """Reject or withdraw an application."""

    async def act(hub: Hub) -> Seal:
        from hub.lifecycle.sealing.seals.manage_seals import reject_seal

        return await reject_seal(hub.services, _KEEPER, (await _find(hub, name)).id)

    _say_state(act)


@app.command("make")
def make_command(
    name: Name,
    certificate: Certificates = None,
    request: Annotated[bool, typer.Option("--request", help="Print a PKCS#10 request for its key instead.")] = False,
) -> None:
    """Make an approved seal: a key on the token, and a certificate for it."""

    async def ask(hub: Hub) -> bytes:
        from hub.lifecycle.sealing.seals.make_seal import request_seal_certificate

        return await request_seal_certificate(hub.services, _KEEPER, (await _find(hub, name)).id)

    async def act(hub: Hub) -> Seal:
        from hub.lifecycle.sealing.seals.make_seal import make_seal

        return await make_seal(hub.services, _KEEPER, (await _find(hub, name)).id, _read(certificate))

    if request:
        say(with_hub(ask).decode().rstrip("\n"))
        return
    _say_state(act)


@app.command("make-sm2")
def make_sm2_command(
    name: Name,
    token_key: Annotated[str, typer.Option(help="Label of an SM2 key on the token. [default: a software key]")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace even what a seal maker made.")] = False,
) -> None:
    """Give a seal what it needs for OFD files: an SM2 key, and a trial certificate by its own authority."""

    async def act(hub: Hub) -> Sm2Seal:
        from hub.lifecycle.sealing.seals.sm2_seals import make_sm2_seal

        return await make_sm2_seal(hub.services, _KEEPER, (await _find(hub, name)).id, token_key, replaces=replace)

    _say_side(name, act)


@app.command("install-sm2")
def install_sm2_command(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The electronic seal (.esl) that the seal maker made.", exists=True)],
    token_key: Annotated[str, typer.Option(help="Label of its SM2 key on the token.")],
    certificate: Annotated[list[Path], typer.Option(help="The certificate for its key, and all above it.")],
) -> None:
    """Install an electronic seal from a seal maker, for an SM2 key on the token, as the SM2 side of a seal."""

    async def act(hub: Hub) -> Sm2Seal:
        from hub.lifecycle.sealing.seals.sm2_seals import GivenSm2Seal, install_sm2_seal

        given = GivenSm2Seal(str(file), file.read_bytes(), _read(certificate), token_key)
        return await install_sm2_seal(hub.services, _KEEPER, (await _find(hub, name)).id, given)

    side = _say_side(name, act)
    say(
        f"Its root is trusted from now on: {_said_of_root(side)}. Only [seal_files] trusted_roots vouch for it, or you."
    )


@app.command("grant")
def grant_command(
    name: Name,
    client: Annotated[str, typer.Option(help="Name of an API key.")] = "",
    contracts: Annotated[bool, typer.Option("--contracts", help="Contracts signed by all signers.")] = False,
    campus: Annotated[str, typer.Option(help="For this campus and all below it. [default: the seal's]")] = "",
    template: Annotated[list[str] | None, typer.Option(help="For these templates. [default: any]")] = None,
    until: Annotated[datetime | None, typer.Option(formats=DAY, help="The last day. [default: no end]")] = None,
    uses: Annotated[int | None, typer.Option(help="At most this many documents. [default: no limit]")] = None,
    end: Annotated[str, typer.Option(help="End the grant with this id, instead of a new one.")] = "",
) -> None:
    """Allow a client or contracts to use a seal, or end a grant."""
    given = [("client", client), ("contracts", "-" if contracts else "")]
    chosen = [(kind, value) for kind, value in given if value]

    async def act(hub: Hub) -> str:
        from hub.lifecycle.sealing.seals.grant_seal import NewGrant, grant_seal, revoke_grant
        from hub.model.school.entered_day import end_of_day

        seal = await _find(hub, name)
        if end:
            grant = uuid_of(end, "a grant: `qianda seal show` lists them", "end")
            await revoke_grant(hub.services, _KEEPER, seal.id, grant)
            return f"The grant has ended: {end}."
        if len(chosen) != 1:
            raise BadInput("give one of --client and --contracts", field="grantee")
        expires = end_of_day(until and until.date(), (await get_headquarters(hub)).zone)
        where = campus or seal.campus
        asked = NewGrant(chosen[0][0], chosen[0][1], where, template or (), expires, uses)
        made = await grant_seal(hub.services, _KEEPER, seal.id, asked)
        return f"Granted: {made.id} to {made.grantee} at {made.campus}."

    say(with_hub(act))


MOVES = {
    "activate": "Put a seal into use after it was made.",
    "suspend": "Suspend a seal: nothing is sealed with it until `resume`, and contracts that need it wait.",
    "resume": "Put a suspended seal back into use.",
    "revoke": "Revoke a seal permanently: its grants end, and the built-in authority revokes its certificate.",
    "archive": "Archive a seal that was revoked, or an application that was rejected.",
}


def _move(word: str) -> Callable[[str], None]:
    """Return the command that moves a seal by the act of this name."""

    def command(name: Name) -> None:
        async def act(hub: Hub) -> Seal:
            from hub.lifecycle.sealing.seals.manage_seals import move_seal
            from hub.model.sealing.seal import SealAct

            return await move_seal(hub.services, _KEEPER, (await _find(hub, name)).id, SealAct(word))

        _say_state(act)

    return command


for word, words in MOVES.items():
    app.command(word, help=words)(_move(word))


@app.command("register")
def register_command(
    name: Name,
    file: Annotated[Path, typer.Option("--out", help="A .csv or .xlsx file to write.")],
    since: Annotated[datetime | None, typer.Option(formats=DAY, help="First day. [default: 31 days ago]")] = None,
    until: Annotated[datetime | None, typer.Option(formats=DAY, help="Last day. [default: today]")] = None,
) -> None:
    """Write the register of the seal's uses into a file."""

    async def act(hub: Hub) -> bytes:
        from hub.documents.table_file import TableForm
        from hub.lifecycle.sealing.seals.export_register import Period, export_register
        from hub.model.school.entered_day import start_of_day

        now, zone = hub.services.clock(), (await get_headquarters(hub)).zone
        first = start_of_day(since.date(), zone) if since else now - timedelta(days=31)
        end = start_of_day(until.date() + timedelta(days=1), zone) if until else now + timedelta(seconds=1)
        form = TableForm.XLSX if file.suffix == ".xlsx" else TableForm.CSV
        return await export_register(hub.services, _KEEPER, (await _find(hub, name)).id, Period(first, end), form)

    file.write_bytes(with_hub(act))
    say(f"{file}: written, and noted in the school's record.")


async def _person(hub: Hub, login: str, password: str) -> Actor:
    """Return the account that login and password identify. Raises WrongPassword, Locked, RoleNotAllowed; BadInput if it
    has a second factor, because only the console asks for that code."""
    from hub.errors import RoleNotAllowed
    from hub.lifecycle.staff.check_password import PasswordGate
    from hub.model.staff.roles import Permission, may

    known = await PasswordGate(hub.services.password_cost).check(hub.services, login, password)
    if known.second_factor:
        raise BadInput("this account has a second factor: approve in the console", field="as")
    if known.one_time or not may(known.staff.role, Permission.APPROVE_SEAL):
        raise RoleNotAllowed
    async with hub.database.transaction(EVERYTHING) as tx:
        return Actor(f"staff:{known.staff.id}", await tx.school.get_scope_below(known.staff.campus))


def _password(file: Path | None) -> str:
    return first_line(file) if file else str(typer.prompt("Password", hide_input=True))


async def _find(hub: Hub, name: str) -> Seal:
    from hub.lifecycle.sealing.seals.manage_seals import find_seal

    return await find_seal(hub.services, EVERYTHING, name)


def _read(files: list[Path] | None) -> list[tuple[str, bytes]]:
    return [(str(file), file.read_bytes()) for file in files or ()]


def _say_side(name: str, act: Callable[[Hub], Coroutine[Any, Any, Sm2Seal]]) -> Sm2Seal:
    side = with_hub(act)
    say(f"{name} seals OFD files: {_said_of(side)}.")
    return side


def _said_of_root(side: Sm2Seal) -> str:
    from asn1crypto import x509

    return (
        f"{x509.Certificate.load(side.chain[-1]).subject.human_friendly}, SHA-256 {sha256(side.chain[-1]).hexdigest()}"
    )


def _said_of(side: Sm2Seal) -> str:
    key = "a software key" if side.private_key else "its key is on the token"
    return f"SM2 ({key}, {side.key_label}) until {side.ends_at:%Y-%m-%d}"


def _say_state(act: Callable[[Hub], Coroutine[Any, Any, Seal]]) -> None:
    seal = with_hub(act)
    say(f"{seal.name} is {seal.state.value}.")
