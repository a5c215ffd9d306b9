"""`qianda staff …`: manage who may use the console."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.with_hub import Commands, first_line, say, say_time, with_hub
from hub.errors import AccountNotFound
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.roles import StaffRole

if TYPE_CHECKING:
    from hub.wiring import Hub

staff_app = Commands(no_args_is_help=True, help="Accounts of staff.")
ROLE_HELP = "The account's role. docs/operating.md says what each one may do."

Login = Annotated[str, typer.Argument(help="The account's login.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="Its first line is the password. [default: one is generated, and printed once]")
]


@staff_app.command("add")
def add_staff_command(
    login: Login,
    name: Annotated[str, typer.Option(help="The person's name, as colleagues see it.")],
    campus: Annotated[str, typer.Option(help="The account sees this campus and all below it.")],
    role: Annotated[StaffRole, typer.Option(help=ROLE_HELP)] = StaffRole.CLERK,
    password_file: PasswordFile = None,
) -> None:
    """Add an account."""
    from hub.lifecycle.staff.accounts import NewStaff, add_staff

    password = password_from(password_file)
    new = NewStaff(login, name, campus, role)
    with_hub(lambda hub: add_staff(hub.services, new, password, COMMAND_LINE, one_time=password_file is None))
    say(f"Added: {login}, {role} at {campus}.")
    say_password(password, password_file)


@staff_app.command("list")
def list_staff_command() -> None:
    """List all accounts: login, name, campus, role, open sessions, and since when a disabled one is disabled."""
    from hub.lifecycle.staff.accounts import list_staff

    for each in with_hub(lambda hub: list_staff(hub.services, COMMAND_LINE)):
        staff = each.staff
        state = f"disabled since {say_time(each.disabled_at)}" if each.disabled_at else say_sessions(each.sessions)
        say(f"{staff.login}  {staff.name}  {staff.campus}  {staff.role}  {state}")


def say_sessions(number: int) -> str:
    return "1 session" if number == 1 else f"{number} sessions"


@staff_app.command("disable")
def disable_staff_command(login: Login) -> None:
    """Disable an account. Its sessions end at once."""
    from hub.lifecycle.staff.accounts import disable_staff

    with_hub(lambda hub: disable_staff(hub.services, login, COMMAND_LINE))
    say(f"Disabled: {login}.")


@staff_app.command("enable")
def enable_staff_command(login: Login) -> None:
    """Let a disabled account log in again, with its former password."""
    from hub.lifecycle.staff.accounts import enable_staff

    with_hub(lambda hub: enable_staff(hub.services, login, COMMAND_LINE))
    say(f"Enabled: {login}.")


@staff_app.command("reset")
def reset_staff_command(login: Login, password_file: PasswordFile = None) -> None:
    """Set a new password. All sessions end, and so does a lock after wrong passwords."""
    from hub.lifecycle.staff.accounts import reset_password

    password = password_from(password_file)
    with_hub(lambda hub: reset_password(hub.services, login, password, COMMAND_LINE, one_time=password_file is None))
    say(f"Password set, sessions ended: {login}.")
    say_password(password, password_file)


@staff_app.command("role")
def role_command(login: Login, role: Annotated[StaffRole, typer.Argument(help=ROLE_HELP)]) -> None:
    """Give an account another role."""
    from hub.lifecycle.staff.accounts import change_role

    with_hub(lambda hub: change_role(hub.services, login, role, COMMAND_LINE))
    say(f"{login} is {role} now.")


@staff_app.command("second-factor")
def second_factor_command(
    login: Login, remove: Annotated[bool, typer.Option("--remove", help="Remove it; all sessions end.")] = False
) -> None:
    """Say whether an account has a second factor, or remove it if somebody has lost phone and recovery codes."""
    from hub.lifecycle.staff.accounts import list_staff, remove_second_factor

    if remove:
        with_hub(lambda hub: remove_second_factor(hub.services, login, COMMAND_LINE))
        say(f"Second factor removed, sessions ended: {login}.")
        return
    found = with_hub(lambda hub: list_staff(hub.services, COMMAND_LINE))
    has = [each.second_factor for each in found if each.staff.login == login]
    if not has:
        raise AccountNotFound(f"there is no account {login}")
    say("yes" if has[0] else "no")


@staff_app.command("link")
def link_command(
    login: Login,
    subject: Annotated[str, typer.Argument(help="The person's id at the login service ([oidc]): its `sub`.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="End the link; all sessions end.")] = False,
) -> None:
    """Link an account to the school's own login service, so that its owner may log in there."""
    from hub.lifecycle.staff.provider_login import link_staff_login, unlink_staff_login

    async def act(hub: Hub) -> object:
        if remove:
            return await unlink_staff_login(hub.services, login, COMMAND_LINE)
        return await link_staff_login(hub.services, login, hub.settings.oidc.issuer, subject, COMMAND_LINE)

    with_hub(act)
    say(f"{'Link ended' if remove else 'Linked'}, sessions ended: {login}.")


@staff_app.command("unlock")
def unlock_command(login: Login) -> None:
    """End a lock after wrong passwords or codes. The password stays the same."""
    from hub.lifecycle.staff.accounts import unlock_staff

    with_hub(lambda hub: unlock_staff(hub.services, login, COMMAND_LINE))
    say(f"Unlocked: {login}.")


@staff_app.command("sessions")
def sessions_command(
    login: Login, end: Annotated[bool, typer.Option("--end", help="End all of them at once.")] = False
) -> None:
    """List the open sessions of an account."""
    from hub.lifecycle.staff.accounts import end_sessions, list_sessions

    if end:
        ended = with_hub(lambda hub: end_sessions(hub.services, login, COMMAND_LINE))
        say(f"{say_sessions(ended)} ended: {login}.")
        return
    for each in with_hub(lambda hub: list_sessions(hub.services, login, COMMAND_LINE)):
        begun, seen, ends = (say_time(each.created_at), say_time(each.seen_at), say_time(each.expires_at))
        say(f"begun {begun}, last seen {seen}, ends {ends}  {each.browser}".rstrip())


# ---- shared by the commands


def password_from(file: Path | None) -> str:
    """Return the first line of the file; without a file, a generated password."""
    from hub.model.staff.password import new_password

    return first_line(file) if file else new_password()


def say_password(password: str, file: Path | None) -> None:
    """Print a generated password. One from a file is known already."""
    if file is None:
        say(f"Password, which is not shown again: {password}")
        say("It is valid for seven days, and has to be changed at the first login.")
