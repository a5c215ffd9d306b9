"""`qianda migrate` and `init`; `init --from` sets up a whole school from one file.

In this order: the file is checked; the configuration is written; the database is migrated to the current schema; keys
and certificates are made; campuses and courses are applied; the first account is added; if the file asks for it, a
request for the seal's certificate is made, or a key with its certificate (PKCS#12) is imported. If it is killed in
between, run it again, and it continues.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.commands.open_database import made_database, opened_database
from hub.commands.school import say_comparison
from hub.commands.staff import password_from, say_password
from hub.commands.with_hub import check_current, real_settings, say, settings_errors_explained, with_hub
from hub.demo.guard import check_elsewhere, check_environment, check_not_demo, check_real
from hub.durable_files import write_durably
from hub.errors import BadInput, QiandaError
from hub.installation.data_folder import check_installation
from hub.model.school.school_change import SchoolComparison, SchoolFault, SchoolFile
from hub.model.staff.administration import COMMAND_LINE
from hub.settings import OWN_FILE, PACKED, Settings, own_file, written_file
from hub.store.server.connections import check_owner
from hub.store.server.installation import find_binding, kind_of, mark

if TYPE_CHECKING:
    from hub.lifecycle.staff.accounts import NewStaff
    from hub.seal_setup import Pkcs12File
    from hub.wiring import Hub

# In the data folder: the request for a seal's certificate, for an outside authority.
REQUEST_FILE = "seal.csr"


def migrate_database(settings: Settings) -> bool:
    """Migrate the database to the current schema, and mark it as real. Return whether a data folder is bound to it."""
    from hub.store.server.migrate import migrate

    async def act(dsn: str) -> bool:
        if settings.database:
            await check_owner(dsn)
        check_not_demo(await kind_of(dsn))
        if binding := await find_binding(dsn):
            check_installation(settings.data, binding)
        await migrate(dsn)
        await mark(dsn, "production", datetime.now(UTC))
        return binding is not None

    with opened_database(settings, as_owner=True) if settings.database else made_database(settings) as (_, dsns):
        return asyncio.run(act(dsns.owner))


def bind_database(settings: Settings, *, renew: bool = False) -> str:
    """Make keys and certificates, and bind folder and database to each other. Return what was done, as a sentence."""
    from hub import initialise

    with opened_database(settings, as_owner=True) as (_, dsns):
        check_elsewhere(os.environ, asyncio.run(kind_of(dsns.owner)))
        asyncio.run(check_current(dsns.owner))
        act = initialise.renew if renew else initialise.initialise
        return asyncio.run(act(settings, dsns.owner))


# ---- from a file


@dataclass(frozen=True)
class InstalledSchool:
    """What was installed. `is_new`: the account was added now. `seal`, `missing`: sentences for people."""

    compared: SchoolComparison
    is_new: bool
    seal: list[str]
    missing: list[str]


def set_up(path: Path) -> None:
    """Set up a school from its file. Raises typer's Exit with 1 if the file has faults; then nothing was made."""
    from hub.documents.school.school_file import read_school

    check_environment(os.environ)
    file, faults = read_school(path.read_text("utf-8"))
    if found := [*faults, *_first_faults(file)] if faults else find_install_faults(file):
        say_comparison(SchoolComparison(), found, dry_run=False)
    own_password = _password_file(file)
    password = password_from(own_password)
    done = install_school(file, password, say, one_time=own_password is None)
    say_comparison(done.compared, list(done.compared.faults), dry_run=False)
    say_installed(real_settings(), file, done)
    if done.is_new:
        say_password(password, _password_file(file))
    say("Then: qianda doctor, qianda serve, qianda work (docs/operating.md). Back up the data folder first.")


def say_installed(settings: Settings, file: SchoolFile, done: InstalledSchool) -> None:
    say(f"{settings.public_origin}/staff: log in as {file.staff['login']}.")
    for line in done.seal:
        say(line)
    for line in done.missing:
        say(f"still missing: {line}")


def install_school(file: SchoolFile, password: str, tell: Callable[[str], None], *, one_time: bool) -> InstalledSchool:
    """Make the configuration, the database, the keys, and the school with its first account. `tell` reports each step.
    `one_time`: the password was generated, and has to be changed at the first login.

    The file must have no faults that `find_install_faults` finds without a database. Faults that only the database
    shows are returned; then no part of the school was made. If it was killed in between, it can be run again.
    """
    _write_configuration(file, tell)
    settings = real_settings()
    migrate_database(settings)
    tell(bind_database(settings))
    _install_seal(settings, file, tell)
    done = with_hub(lambda hub: _first_day(hub, file, password, one_time=one_time))
    if not done.compared.faults:
        _request_seal(settings, file, tell)
    return done


def find_install_faults(file: SchoolFile) -> list[SchoolFault]:
    """Return every fault that can be found without a database. Raises BadInput for a configuration with which no hub
    may start."""
    from hub.documents.contract.contract_templates import ContractTemplates
    from hub.lifecycle.school.apply_school import find_content_faults, find_place_faults

    if found := _first_faults(file):
        return found
    settings = _settings(file)
    check_real(settings)
    templates = ContractTemplates(PACKED / "templates" / "contracts", settings.own_templates("contracts"))
    found = find_content_faults(templates.ids(), file)
    found += find_place_faults(file, {each.id: each for each in file.campuses})
    return found + _account_faults(file) + _seal_faults(file)


def _settings(file: SchoolFile) -> Settings:
    """Return the settings of the future hub: from an existing configuration, or from the one that will be written."""
    from hub.documents.toml_text import write_toml

    with settings_errors_explained():
        if os.environ.get(OWN_FILE):
            return Settings.load()
        with tempfile.TemporaryDirectory() as folder:  # only the owner may read it, as with the file that is written
            tried = Path(folder) / written_file().name
            tried.write_text(write_toml(_configuration(file)), "utf-8")
            return Settings.of_file(tried)


def _account_faults(file: SchoolFile) -> list[SchoolFault]:
    from hub.lifecycle.staff.accounts import check_account

    try:
        check_account(_first_staff(file, file.campuses[0].id), password_from(_password_file(file)))
    except OSError as error:
        return [SchoolFault("staff, password_file", f"{error.filename}: {error.strerror}")]
    except BadInput as error:
        return [SchoolFault(f"staff, {error.field}", str(error))]
    return []


def _seal_faults(file: SchoolFile) -> list[SchoolFault]:
    """Check an imported key as `qianda seal install` does. The built-in authority does not exist yet."""
    from hub.seal_setup import check_pkcs12

    if file.seal.get("kind") != "pkcs12":
        return []
    try:
        asyncio.run(check_pkcs12(_pkcs12(file), b"", datetime.now(UTC)))
    except OSError as error:
        return [SchoolFault("seal, file", f"{error.filename}: {error.strerror}")]
    except QiandaError as error:
        return [SchoolFault("seal, file", error.detail or error.sentence)]
    return []


def _pkcs12(file: SchoolFile) -> Pkcs12File:
    """Read the files that the school's file names. Raises OSError."""
    from hub.seal_setup import Pkcs12File

    above = [Path(file.seal["above"])] if "above" in file.seal else []
    password = password_from(Path(file.seal["password_file"]))
    path = Path(file.seal["file"])
    return Pkcs12File(path.name, path.read_bytes(), password, [(each.name, each.read_bytes()) for each in above])


def _first_staff(file: SchoolFile, headquarters: str) -> NewStaff:
    from hub.lifecycle.staff.accounts import NewStaff
    from hub.model.staff.roles import StaffRole

    return NewStaff(file.staff["login"], file.staff.get("name") or file.staff["login"], headquarters, StaffRole.OWNER)


def _password_file(file: SchoolFile) -> Path | None:
    return Path(file.staff["password_file"]) if file.staff.get("password_file") else None


def _first_faults(file: SchoolFile) -> list[SchoolFault]:
    needed = {"origin": file.origin, "school": file.organisation, "campus": file.campuses, "staff": file.staff}
    return [SchoolFault(name, "is missing, and a first installation needs it") for name, it in needed.items() if not it]


def _configuration(file: SchoolFile) -> dict[str, Any]:
    return {"origin": file.origin, "school": dict(file.organisation)} | dict(file.configuration)


def _write_configuration(file: SchoolFile, tell: Callable[[str], None]) -> None:
    """Write the configuration into the data folder. Raises BadInput if it already has a different one."""
    from hub.documents.toml_text import write_toml

    wanted = _configuration(file)
    if own := own_file():
        known = tomllib.loads(own.read_text("utf-8"))
        if other := [name for name, value in wanted.items() if known.get(name) != value]:
            raise BadInput(f"{own} differs from the file ({', '.join(other)}): correct one of them")
        return
    written_file().parent.mkdir(parents=True, exist_ok=True)
    write_durably(written_file(), write_toml(wanted).encode())
    tell(f"{written_file()}: the configuration.")


async def _first_day(hub: Hub, file: SchoolFile, password: str, *, one_time: bool) -> InstalledSchool:
    from hub.doctor import examine
    from hub.lifecycle.evidence.school_acts import record_seal
    from hub.lifecycle.school.apply_school import apply_school
    from hub.model.staff.scope import EVERYTHING
    from hub.seal_setup import seal_status

    compared = await apply_school(hub.services, file, hub.settings.school.model_dump(), COMMAND_LINE.actor)
    if compared.faults:
        return InstalledSchool(compared, False, [], [])
    if file.seal.get("kind") == "pkcs12":
        async with hub.database.transaction(EVERYTHING) as tx:
            await record_seal(tx, hub.services.sealing.seal.chain[0], COMMAND_LINE.actor)
    is_new = await _add_first_account(hub, file, password, one_time=one_time)
    missing = [f"{each.part}: {each.words}" for each in await examine(hub) if not each.well]
    return InstalledSchool(compared, is_new, seal_status(hub).lines(), missing)


async def _add_first_account(hub: Hub, file: SchoolFile, password: str, *, one_time: bool) -> bool:
    """Add the account of headquarters. Return False if an account with this login exists."""
    from hub.lifecycle.staff.accounts import add_staff, list_staff
    from hub.model.staff.scope import EVERYTHING

    if any(each.staff.login == file.staff["login"] for each in await list_staff(hub.services, COMMAND_LINE)):
        return False
    async with hub.database.transaction(EVERYTHING) as tx:
        headquarters = await tx.school.find_headquarters()
    assert headquarters is not None  # the school's file, which names it, was applied before
    await add_staff(hub.services, _first_staff(file, headquarters.id), password, COMMAND_LINE, one_time=one_time)
    return True


def _install_seal(settings: Settings, file: SchoolFile, tell: Callable[[str], None]) -> None:
    from hub.seal_setup import install_pkcs12

    if file.seal.get("kind") != "pkcs12":
        return
    with opened_database(settings, as_owner=True) as (_, dsns):
        asyncio.run(install_pkcs12(settings, dsns.owner, _pkcs12(file)))
    tell(f"{Path(file.seal['file']).name}: the seal's key was taken from it. Delete that file, or lock it away.")


def _request_seal(settings: Settings, file: SchoolFile, tell: Callable[[str], None]) -> None:
    """Write a new request for the seal's certificate, each time for the same key, if the file asks for it."""
    from hub.seal_setup import request_seal

    if file.seal.get("kind") != "request":
        return
    path = settings.data / REQUEST_FILE
    path.write_bytes(asyncio.run(request_seal(settings)))
    tell(f"{path}: send it to your certificate authority; then `qianda seal install` what it issues, with its issuers.")
