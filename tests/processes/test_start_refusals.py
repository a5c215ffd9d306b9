"""A hub does not start with a configuration that nobody can have meant. Errors about its database are plain."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from hub.demo.guard import check_environment, check_real
from hub.errors import BadInput, DatabaseUnavailable
from hub.settings import Settings
from hub.store.server.connections import DATABASE, address_of, check_owner, check_server
from tests.database import Dsns
from tests.machines.test_elsewhere import over_tcp
from tests.processes.programs import real_school, run

SECRET = "pass%2Fword"


def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **values: object) -> Settings:
    for name, value in real_school(tmp_path).items():
        monkeypatch.setenv(name, value)
    return Settings.load(data=tmp_path / "data", **values)


# ---- the configuration


@pytest.mark.parametrize("command", ["serve", "work", "migrate", "init", "doctor"])
def test_a_configuration_file_that_is_not_there_stops_the_start(tmp_path: Path, command: str) -> None:
    refused = run(tmp_path / "data", command, QIANDA_CONFIG=str(tmp_path / "nowhere.toml"))
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert f"QIANDA_CONFIG names {tmp_path}/nowhere.toml, and there is no such file" in refused.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[school\n", "{file} cannot be read: Expected ']' at the end of a table declaration (at line 1, column 8)"),
        ('[schol]\nname = "x"\n', "the configuration is wrong: schol: there is no such setting"),
    ],
)
def test_a_configuration_file_that_cannot_be_read_is_named(tmp_path: Path, written: str, said: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(written)
    refused = run(tmp_path / "data", "doctor", QIANDA_CONFIG=str(file))
    assert (refused.returncode, refused.stderr) == (2, f"qianda: {said.format(file=file)}\n")


def test_a_file_that_is_not_there_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for words, said in (
        (("restore", str(nowhere)), f"there is no file {nowhere}"),
        (("import", str(nowhere)), f"{nowhere}: No such file or directory"),
    ):
        refused = run(tmp_path / "data", *words)
        assert (refused.returncode, refused.stderr) == (2, f"qianda: {said}\n")


@pytest.mark.parametrize("command", ["serve", "work", "migrate", "init", "doctor"])
def test_a_misspelt_variable_stops_the_start(tmp_path: Path, command: str) -> None:
    variables = real_school(tmp_path) | {"QIANDA_DATABSE": "postgresql://app@db/qianda"}
    refused = run(tmp_path / "data", command, **variables)
    assert refused.returncode == 2
    assert "there is no setting QIANDA_DATABSE. Did you mean QIANDA_DATABASE?" in refused.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("QIANDA_TOKEN_PIN", "QIANDA_TOKEN__PIN"),
        ("QIANDA_CONFG", "QIANDA_CONFIG"),
        ("qianda_prot", "QIANDA_PORT"),
        ("QIANDA_TOKN__PIN", "QIANDA_TOKEN__PIN"),
    ],
)
def test_the_nearest_name_is_suggested(name: str, meant: str) -> None:
    with pytest.raises(BadInput, match=rf"there is no setting {name}\. Did you mean {meant}"):
        check_environment({name: "x"})


def test_names_of_settings_are_no_mistake() -> None:
    names = ["QIANDA_PORT", "qianda_data", "QIANDA_TOKEN__PIN", "QIANDA_CHANNELS__SMS_TWILIO__ACCOUNT", "QIANDA_CONFIG"]
    check_environment(dict.fromkeys([*names, "QIANDA_DEMO_API_KEY", "PATH", "HOME"], "x"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        *((each, "[school] is that of the invented demo school") for each in ("serve", "work", "migrate")),
        ("init", "there is no school yet: `qianda init` in a terminal asks"),
    ],
)
def test_the_invented_school_is_served_by_the_demo_alone(tmp_path: Path, command: str, words: str) -> None:
    refused = run(tmp_path / "data", command)
    assert refused.returncode == 2 and words in refused.stderr
    assert not (tmp_path / "data").exists()


def test_nothing_of_the_invented_school_may_be_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_real(settings(tmp_path, monkeypatch))
    monkeypatch.setenv("QIANDA_SCHOOL__LICENCE", "教民134010400000000号")
    with pytest.raises(BadInput, match=r"invented demo school \(licence\)"):
        check_real(Settings.load())


@pytest.mark.parametrize(
    "origin", ["http://sign.school.example", "http://192.168.1.20", "ftp://127.0.0.1", "sign.school"]
)
def test_an_origin_without_https_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    with pytest.raises(BadInput, match="has to begin with https://"):
        check_real(settings(tmp_path, monkeypatch, origin=origin))


@pytest.mark.parametrize("origin", ["https://sign.school.example", "http://127.0.0.1:8080", "http://[::1]:8080", ""])
def test_https_and_this_machine_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    check_real(settings(tmp_path, monkeypatch, origin=origin))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "8.8.8.8", "sign.school.example"])
def test_a_bind_beyond_this_machine_wants_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    wanted = {"host": host, "origin": "https://sign.school.example"}
    with pytest.raises(BadInput, match=rf"host is {host}.*trusted_proxies"):
        check_real(settings(tmp_path, monkeypatch, **wanted))
    check_real(settings(tmp_path, monkeypatch, trusted_proxies=["10.0.0.7"], **wanted))
    with pytest.raises(BadInput, match="which is everybody"):
        check_real(settings(tmp_path, monkeypatch, trusted_proxies=["0.0.0.0/0"], **wanted))


# ---- the database


@contextlib.asynccontextmanager
async def speaking(answer: bytes) -> AsyncIterator[int]:
    """Run a server that gives the same answer to whoever connects. Yields its port."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(answer)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def error_of(code: str) -> bytes:
    """Return an ErrorResponse of PostgreSQL's protocol, version 3."""
    fields = b"".join(kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"C", code), (b"M", SECRET)))
    return b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("28P01", "the server refuses the password. Correct the password in QIANDA_DATABASE"),
        ("28000", "does not let this user in. Correct the user in QIANDA_DATABASE"),
        ("3D000", "no such database. Correct the name in QIANDA_DATABASE"),
        ("42501", "may not connect. Run GRANT CONNECT"),
        ("53300", "no connection left"),
        ("57P03", "is starting or stopping"),
    ],
)
async def test_what_the_server_says_is_explained(tmp_path: Path, code: str, words: str) -> None:
    async with speaking(error_of(code)) as port:
        dsn = f"postgresql://app:{SECRET}@127.0.0.1:{port}/qianda?sslmode=disable"
        for command in ("doctor", "migrate"):
            refused = await asyncio.to_thread(
                run, tmp_path / "data", command, QIANDA_DATABASE=dsn, **real_school(tmp_path)
            )
            assert refused.returncode == 2 and words in refused.stderr, refused.stderr
            assert f"qianda at app@127.0.0.1:{port}" in refused.stderr
            assert SECRET not in refused.stderr and "pass/word" not in refused.stderr
            assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data").exists()


async def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(DatabaseUnavailable, match=r"qianda at app@127\.0\.0\.1:1: .*host and port in QIANDA_DATABASE"):
        await check_server(f"postgresql://app:{SECRET}@127.0.0.1:1/qianda", DATABASE)
    with pytest.raises(DatabaseUnavailable, match=r"Correct the host in QIANDA_DATABASE|it cannot be reached"):
        await check_server(f"postgresql://app:{SECRET}@no-such-host.invalid/qianda", DATABASE)


@pytest.mark.parametrize(
    "dsn", ["mysql://app:geheim@db/qianda", "app:geheim@db/qianda", "postgresql://app:ge/heim@db/q"]
)
async def test_an_address_that_is_none_is_not_repeated(dsn: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"has to be like|in the configuration") as refused:
        await check_server(dsn, DATABASE)
    assert "heim" not in str(refused.value)


@pytest.mark.parametrize("password", ["a/b", "12#c", "1?2", "a@b"])
def test_no_part_of_a_password_is_shown(password: str) -> None:
    shown = address_of(f"postgresql://app:{password}@db.school.example/qianda")
    assert shown in ("in the configuration", "qianda at app@db.school.example")


async def test_an_old_server_is_refused(database: Dsns) -> None:
    """The real server, whose greeting is changed so that it looks older."""
    async with over_tcp(database.app) as direct, greeting_as_old(direct) as dsn:
        with pytest.raises(DatabaseUnavailable, match="its server is PostgreSQL 14, and 15 or newer is needed"):
            await check_server(dsn, DATABASE)
        await check_server(direct, DATABASE)


@contextlib.asynccontextmanager
async def greeting_as_old(dsn: str) -> AsyncIterator[str]:
    address = urlsplit(dsn)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while block := await source.read(65536):
                name = b"server_version\0"
                at = block.find(name) + len(name)
                if at >= len(name):
                    end = block.index(b"\0", at)
                    block = block[:at] + b"14.9".ljust(end - at, b"0")[: end - at] + block[end:]
                sink.write(block)
                await sink.drain()
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(pump(reader, ours), pump(theirs, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield dsn.replace(f":{address.port}/", f":{port}/")
    finally:
        server.close()


async def test_only_the_owner_may_migrate(database: Dsns, tmp_path: Path) -> None:
    refused = await asyncio.to_thread(
        run, tmp_path / "data", "migrate", QIANDA_DATABASE=database.app, **real_school(tmp_path)
    )
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert "this user may not change the schema. Set QIANDA_DATABASE_OWNER" in refused.stderr
    await check_owner(database.owner)


async def test_only_the_owner_may_bind(database: Dsns, tmp_path: Path) -> None:
    owner = await asyncpg.connect(database.owner)
    await owner.execute(
        "INSERT INTO installation (one, kind, clock_offset, created_at) VALUES (true, 'production', '0', now())"
    )
    await owner.close()
    refused = await asyncio.to_thread(
        run, tmp_path / "data", "init", QIANDA_DATABASE=database.app, **real_school(tmp_path)
    )
    assert refused.returncode == 2 and "Set QIANDA_DATABASE_OWNER" in refused.stderr, refused.stderr
    assert not (tmp_path / "data").exists()


def test_an_owner_without_a_database_is_no_embedded_one(tmp_path: Path) -> None:
    refused = run(tmp_path / "data", "serve", QIANDA_DATABASE_OWNER="postgresql://owner@db/q", **real_school(tmp_path))
    assert refused.returncode == 2 and "QIANDA_DATABASE_OWNER is set, and QIANDA_DATABASE is not" in refused.stderr
