"""`qianda key …`: manage which systems may use the API, and for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.with_hub import Commands, get_headquarters, say, say_time, with_hub
from hub.model.staff.administration import COMMAND_LINE

if TYPE_CHECKING:
    from hub.model.staff.accounts import ApiKeyEntry
    from hub.wiring import Hub

app = Commands(no_args_is_help=True, help="API keys of other systems.")
Name = Annotated[str, typer.Argument(help="The key's name.")]


@app.command("add")
def add_key_command(
    name: Annotated[str, typer.Argument(help="What the key is for, such as the system's name.")],
    campus: Annotated[str, typer.Option(help="The key sees this campus and all below it. [default: all]")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, issue, act, seal, manage-seals, metrics; several times. [default: read, issue, act]"),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day on which it is valid, at headquarters. [default: none]"),
    ] = None,
) -> None:
    """Add an API key and print it. It is shown only once."""
    from hub.lifecycle.staff.api_keys import add_key
    from hub.model.school.entered_day import end_of_day
    from hub.model.staff.key_scopes import KeyTerms, parse_scopes

    async def act(hub: Hub) -> tuple[str, str]:
        top = await get_headquarters(hub)
        where = campus or top.id
        terms = KeyTerms(parse_scopes(scope or ()), end_of_day(expires and expires.date(), top.zone))
        return where, await add_key(hub.services, name, where, COMMAND_LINE.actor, terms)

    where, secret = with_hub(act)
    say(f"Added: {name}, for {where} and all below it. The key, which is not shown again:\n{secret}")


@app.command("list")
def list_keys_command() -> None:
    """List all API keys: name, campus, creation time, whether each is valid, and its scopes. Secrets are not stored."""
    from hub.lifecycle.staff.api_keys import list_keys

    for each in with_hub(lambda hub: list_keys(hub.services)):
        scopes = ", ".join(sorted(each.key.scopes))
        say(f"{each.key.name}  {each.key.campus}  since {say_time(each.created_at)}  {_state(each)}  {scopes}")


@app.command("rotate")
def rotate_key_command(
    name: Name, overlap: Annotated[int, typer.Option(help="Days for which the former secret stays valid.")] = 7
) -> None:
    """Give a key a new secret, with the same campus, scopes and end, and print it. It is shown only once."""
    from hub.lifecycle.staff.api_keys import rotate_key

    secret = with_hub(lambda hub: rotate_key(hub.services, name, timedelta(days=overlap), COMMAND_LINE.actor))
    say(f"Rotated: {name}; the former secret stays valid for {overlap} days. The key, not shown again:\n{secret}")


@app.command("revoke")
def revoke_key_command(name: Name) -> None:
    """Revoke an API key, with its former secret if it is being rotated. The next request with it is refused."""
    from hub.lifecycle.staff.api_keys import revoke_key

    with_hub(lambda hub: revoke_key(hub.services, name, COMMAND_LINE.actor))
    say(f"Revoked: {name}.")


def _state(entry: ApiKeyEntry) -> str:
    if entry.revoked_at:
        return f"revoked {say_time(entry.revoked_at)}"
    if entry.expires_at is None:
        return "counts"
    return f"{'valid until' if entry.counts_at(datetime.now(UTC)) else 'ended'} {say_time(entry.expires_at)}"
