"""`qianda init --page`, and `qianda init` in a terminal: set up a school by asking questions, then serve it at once.

Both ask the questions in `hub.setup.questions`, and install the same as `qianda init --from`: see `SchoolInstaller`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hub.commands.init import REQUEST_FILE, find_install_faults, install_school
from hub.commands.open_database import opened_database
from hub.commands.with_hub import check_current, load_settings, say, with_hub
from hub.demo.guard import check_bind, check_environment
from hub.errors import BadInput
from hub.settings import Settings, own_file, shipped_school, written_file

if TYPE_CHECKING:
    from hub.setup.answers import SetupAnswers
    from hub.setup.installer import SetupResult

# In the data folder: the file with which `qianda init --from` repeats the installation.
SCHOOL_FILE = "school.toml"


def check_unset() -> Settings:
    """Return the settings of a hub without a school. Raises BadInput if there is a school, because nothing may be set
    up twice, and if other machines could reach the page without TLS.

    If a set-up was killed in between, its answers are kept, and it continues.
    """
    from hub.setup.answers_file import FILE

    check_environment(os.environ)
    settings = load_settings()
    check_bind(settings)
    if own := own_file():
        if own != written_file() or not (settings.data / FILE).exists():
            raise BadInput(f"there is a configuration already ({own}): run `qianda migrate`, then `qianda init`")
    return settings


def is_a_terminal() -> bool:
    """Return whether a person can answer. A script is never asked questions."""
    return os.isatty(0) and os.isatty(1)


def is_unset() -> bool:
    """Return whether there is no school yet, neither in a configuration file nor in variables."""
    settings = load_settings()
    try:
        check_unset()
    except BadInput:
        return False
    return settings.school.model_dump() == shipped_school() or own_file() is not None


def check_has_a_school() -> None:
    """Raise BadInput where there is no school yet, with how to set one up: nobody can be asked here."""
    if own_file() is None and is_unset():
        ways = "`qianda init` in a terminal asks, `qianda init --page` asks in a browser"
        raise BadInput(f"there is no school yet: {ways}, `qianda init --from FILE` takes a school's file")


def set_up_in_terminal() -> bool:
    """Ask in the terminal and install. Return whether the hub should start at once."""
    from rich.console import Console

    from hub.commands.setup_terminal import TerminalQuestions, terminal_language
    from hub.setup.answers_file import AnswersFile

    settings = check_unset()
    questions = TerminalQuestions(AnswersFile(settings.data), Console(), terminal_language(os.environ))
    questions.ask_all(datetime.now(UTC))
    if not questions.confirm_install():
        say("Nothing was made. The answers are kept: run `qianda init` again.")
        return False
    done = SchoolInstaller(settings.data).install(questions.answers, say)
    say(f"{done.origin}/staff: log in as {done.login}.")
    if done.password:
        say(f"Password, which is not shown again: {done.password}")
    for line in (*done.seal, *(f"still missing: {each}" for each in done.missing)):
        say(line)
    say(f"{settings.data / SCHOOL_FILE}: repeats the installation (`qianda init --from`); no secret is in it.")
    return questions.confirm_start()


def set_up_by_page() -> None:
    """Print the one-time address, and serve the page there until the set-up is finished."""
    from hub.web.setup.access import TOKEN_LIFE
    from hub.web.setup.app import serve_setup
    from hub.web.setup.state import SetupState

    settings = check_unset()
    address = settings.public_origin
    state = SetupState.begin(settings.data, SchoolInstaller(settings.data), lambda: datetime.now(UTC))
    say(f"{address}/setup/{state.access.token}")
    hours = int(TOKEN_LIFE.total_seconds() // 3600)
    say(f"Open this address within {hours} h: the first to open it sets up the school. Ctrl-C stops; answers are kept.")
    if settings.host in ("127.0.0.1", "localhost", "::1"):
        say(f"From another machine: ssh -L {settings.port}:127.0.0.1:{settings.port} THIS-MACHINE, then open it there.")
    serve_setup(state, host=settings.host, port=settings.port, address=address)


class SchoolInstaller:
    """The installation of a school from the answers. The result is that of `qianda init --from school.toml`."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def install(self, answers: SetupAnswers, tell: Callable[[str], None]) -> SetupResult:
        """See `hub.setup.installer.SetupInstaller`."""
        from hub.documents.school.school_file import read_school
        from hub.documents.toml_text import write_toml
        from hub.durable_files import write_durably
        from hub.model.staff.password import new_password
        from hub.setup.answers import compose_school
        from hub.setup.answers_file import AnswersFile
        from hub.setup.installer import SetupResult

        kept = AnswersFile(self._data)
        composed = compose_school(answers, kept.keys)
        text = write_toml(composed.values)
        file, faults = read_school(text)
        given = answers["account"].get("password", "")
        password = given or new_password()
        kept.write_files(composed.passing)
        try:
            if found := faults or find_install_faults(file):
                raise BadInput("\n".join(map(str, dict.fromkeys(found))))
            written_file().unlink(missing_ok=True)  # left by an earlier try: see `check_unset`
            kept.write_files(composed.files)
            write_durably(self._data / SCHOOL_FILE, text.encode())
            done = install_school(file, password, tell, one_time=not given)
        finally:
            kept.delete_files(composed.passing)
        if done.compared.faults:
            raise BadInput("\n".join(map(str, dict.fromkeys(done.compared.faults))))
        kept.remove()
        request = self._data / REQUEST_FILE
        return SetupResult(
            origin=file.origin,
            login=file.staff["login"],
            password=password if done.is_new and not given else "",
            request=request.read_bytes() if file.seal.get("kind") == "request" else b"",
            seal=tuple(done.seal),
            missing=tuple(done.missing),
        )

    def install_certificate(self, files: Sequence[tuple[str, bytes]]) -> list[str]:
        """See `hub.setup.installer.SetupInstaller`."""
        from hub.commands.seal import record_seal_change
        from hub.seal_setup import install_seal

        settings = load_settings()
        with opened_database(settings, as_owner=True) as (_, dsns):
            asyncio.run(check_current(dsns.owner))
            asyncio.run(install_seal(settings, dsns.owner, files))
        return with_hub(record_seal_change)
