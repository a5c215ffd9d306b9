"""The first day of a real school, from the wheel: an empty environment, a PostgreSQL server with passwords, a seal
whose certificate an outside authority issued, and one contract that was signed and holds. Then the machine burns down,
and another one goes on with the next contract.

`make day0` runs it; docs/operating.md tells the same in the same order.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bench.programs.ports import free_port
from hub.documents.toml_text import write_toml
from qianda.client import SigningClient
from qianda.wire import ProtocolProblem
from tests.authorities.certomancer_pki import CertomancerPki
from tests.channels.doubles.sms_twilio import Double
from tests.checkout import ROOT
from tests.judges import judge_by_pdfsig, judge_by_qpdf
from tests.running import ONE_TIME_CODE, until
from tests.school_toml import SCHOOL
from tests.server_postgres import ServerPostgres, server_postgres
from tests.timestamps.openssl_tsa import OpensslTsa
from tests.wheel import InstalledWheel

pytestmark = pytest.mark.real
PHONE = "+85251000101"
PASSPHRASE = {"QIANDA_BACKUP_PASSPHRASE": "an owl in the belfry"}
GROUPS = ("school", "staff", "key", "seal", "database", "keys", "person", "hold")
# Sections of docs/operating.md whose every command is typed on this day.
SECTIONS = ("A school of your own", "The keys of encrypted columns", "A person asks")
GUARDIAN = {"role": "guardian", "name": "陈建国", "phone": PHONE, "id_number": "340104198501010019", "relation": "父亲"}
WANTED = {
    "campus": "east",
    "course": "drawing",
    "student": {"name": "陈小满", "id_type": "cn-id", "id_number": "340104201209010016"},
    "signers": [GUARDIAN],
}


@dataclass
class Day:
    """What an operator has on the first day: a machine with the wheel, a server, an authority, a timestamp service, a
    provider of SMS."""

    installed: InstalledWheel
    server: ServerPostgres
    settings: dict[str, str]
    authority: CertomancerPki
    clock: OpensslTsa
    sms: Double
    http: aiohttp.ClientSession
    port: int
    folder: str = "first-day"
    heard: int = 0  # messages that were answered
    contract: Mapping[str, str] = field(default_factory=dict)  # the one that was issued last
    typed: set[str] = field(default_factory=set)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.installed.folder / self.folder

    def variables(self, *, as_owner: bool = False) -> dict[str, str]:
        """The settings that an operator exports; those who serve never see the owner's."""
        names = ("QIANDA_DATABASE", "QIANDA_DATABASE_OWNER")[: 2 if as_owner else 1]
        database = {name: self.settings[name] for name in names if name in self.settings}
        return {"QIANDA_DATA": str(self.data), "QIANDA_PORT": str(self.port)} | database

    async def run(self, *words: str, as_owner: bool = False, **more: str) -> CompletedProcess[str]:
        """Type a command; the providers and the authority of the test answer meanwhile."""
        self.typed.add(command_of(words))
        return await asyncio.to_thread(self.installed.run, *words, **self.variables(as_owner=as_owner), **more)

    def running(self, command: str) -> AbstractContextManager[Path]:
        self.typed.add(command)
        return self.installed.running(command, **self.variables())

    async def said(self, *words: str, as_owner: bool = False, **more: str) -> str:
        done = await self.run(*words, as_owner=as_owner, **more)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def school(self) -> str:
        """The school's file: four campuses, a course, the first account, and how it reaches people."""
        configuration = {
            "timestamps": {"kind": "rfc3161", "url": self.clock.url, "certificates": [str(self.clock.pinned)]},
            "channels": {"sms_twilio": dict(self.sms.options())},
            "budgets": {"countries": ["+852"]},
        }
        head = f'origin = "{self.origin}"\n{SCHOOL}'
        return head + "\n" + write_toml({
            "staff": {"login": "office", "name": "周示范"},
            "seal": {"kind": "request"},
            "configuration": configuration,
        })  # fmt: skip

    async def message(self, found: Callable[[str], re.Match[str] | None]) -> str:
        """What a message to the guardian says, waited for."""

        async def look() -> str | None:
            texts = [each.text for each in self.sms.accepted[self.heard :] if each.to == PHONE]
            matches = [match for text in texts if (match := found(text))]
            return matches[-1][1] if matches else None

        return await until(look)


@pytest.fixture
async def day(installed: InstalledWheel, tmp_path: Path) -> AsyncIterator[Day]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(server_postgres(prepared=False))
        authority = await stack.enter_async_context(CertomancerPki(tmp_path / "authority").serving())
        clock = await stack.enter_async_context(OpensslTsa(tmp_path / "clock").serving())
        sms = Double(deliver=True)
        await stack.enter_async_context(sms.serving())
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Day(installed, server, {}, authority, clock, sms, http, free_port())


async def test_the_first_day(day: Day) -> None:
    await _have_a_database(day)
    password = await _set_up(day)
    key = await _let_people_in(day)
    said_of_seal = await _have_the_seal_certified(day)
    examined = await day.run("doctor")
    assert examined.returncode == 0, examined.stdout
    with day.running("serve"), day.running("work"):
        await until(lambda: _answers(day, "/readyz"))
        await _log_in(day, password)
        final = await _sign(day, key)
        await _change_the_key(day)
        await _have_a_dispute(day, key)
    await _judge(day, final, said_of_seal)
    await _answer_a_person(day)
    async with server_postgres(prepared=False) as other:
        await _go_on_elsewhere(day, other, key, final)
    told = told_by_the_runbook()
    assert len(told) > 8 and told - day.typed == set()


def command_of(words: Sequence[str]) -> str:
    """`init`, or with its group `seal install`."""
    return " ".join(words[: 2 if words[0] in GROUPS else 1])


def told_by_the_runbook() -> set[str]:
    """The commands that stand in these sections of docs/operating.md."""
    runbook = (ROOT / "docs" / "operating.md").read_text("utf-8")
    sections = [runbook.partition(f"\n## {name}\n")[2].partition("\n## ")[0] for name in SECTIONS]
    assert all(sections)
    lines = [line for section in sections for line in section.splitlines() if line.startswith("qianda ")]
    return {command_of(line.split()[1:]) for line in lines}


async def _have_a_database(day: Day) -> None:
    """On a server on which nobody has prepared anything."""
    done = await day.run("database", "create-roles", "--execute", QIANDA_DATABASE_ADMIN=day.server.admin)
    assert done.returncode == 0, done.stderr
    day.settings |= dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("QIANDA_"))


async def _change_the_key(day: Day) -> None:
    """While the hub works: every value is encrypted anew, and the hub goes on with it."""
    assert "encrypted values are intact" in await day.said("keys", "check")
    assert "Everything is encrypted with " in await day.said("keys", "rotate", as_owner=True)
    assert "encrypted values are intact" in await day.said("keys", "check")


async def _have_a_dispute(day: Day, key: str) -> None:
    """The contract is held, its evidence is written out and checked; what was written of the dispute goes again."""
    number, file = day.contract["number"], str(day.installed.folder / "evidence.zip")
    said = await day.said("hold", "place", number, "--reason", "case 7", "--until", "2030-01-01")
    assert "it is held until 2030-01-01, by command-line: case 7" in said
    assert number in await day.said("hold", "list")

    async def is_packed() -> bool:
        return (await day.run("evidence", number, "--out", file)).returncode == 0

    await until(is_packed, 180)  # a worker packs it
    assert (await day.run("verify", file)).returncode == 0
    await day.said("hold", "lift", number, "--reason", "settled")
    _, record = await _api(day, key, "GET", f"/contracts/{day.contract['id']}/record")
    (entry,) = (each for each in record["entries"] if each["kind"] == "hold-placed")
    assert await day.said("erase", number, "--entry", str(entry["sequence"])) == "Erased.\n"


async def _answer_a_person(day: Day) -> None:
    """A guardian asks what is kept, gets it, and wants it erased; the contract has to be kept for three years."""
    who = ("--id-number", str(GUARDIAN["id_number"]), "--reason", "letter of 20 November")
    said = await day.said("person", "find", *who)
    assert "COMPLETED  east  as guardian-1" in said and GUARDIAN["id_number"] not in said
    await day.said("person", "export", str(day.installed.folder / "person.zip"), *who)
    with zipfile.ZipFile(day.installed.folder / "person.zip") as archive:
        assert len(archive.namelist()) == 3 and PHONE in archive.read("person.json").decode()
    for options in (("--dry-run",), ()):
        done = await day.run("person", "erase", *who, *options, as_owner=True)
        assert done.returncode == 1 and "stays: it was concluded, and is kept until" in done.stdout, done.stderr
    assert (await day.run("doctor", "--records", "--files")).returncode == 0


async def _go_on_elsewhere(day: Day, other: ServerPostgres, key: str, final: Path) -> None:
    """Everything is gone but one file and its passphrase; a machine with another server goes on with it."""
    backup = day.installed.folder / "qianda.backup"
    assert "Backed up" in await day.said("backup", str(backup), as_owner=True, **PASSPHRASE)
    shutil.rmtree(day.data)
    day.server, day.folder, day.heard = other, "second-day", len(day.sms.accepted)
    await _have_a_database(day)
    damaged = day.installed.folder / "damaged.backup"
    damaged.write_bytes(backup.read_bytes()[:-1])
    refused = await day.run("restore", str(damaged), as_owner=True, **PASSPHRASE)
    assert refused.returncode == 2 and not day.data.exists(), refused.stderr
    assert "Sending is paused" in await day.said("restore", str(backup), as_owner=True, **PASSPHRASE)
    assert "PAUSED since" in await day.said("doctor", "--records", "--files")
    with day.running("serve"), day.running("work"):
        await until(lambda: _answers(day, "/readyz"))
        await day.said("resume")
        again = await _sign(day, key)
        assert again.read_bytes() != final.read_bytes()
    assert "issued by Certomancer issuing; its key is on the token" in await day.said("seal", "status")
    report = json.loads(await day.said("verify", str(again), "--json"))
    assert not report["failed"] and report["parties"][1]["elements"]["exclusively owned"]["word"] == "declared"
    assert (await day.run("doctor", "--records", "--files")).returncode == 0


async def _set_up(day: Day) -> str:
    """Returns the first account's password."""
    file = day.installed.folder / "school.toml"
    file.write_text(day.school(), "utf-8")
    said = await day.said("init", "--from", str(file), as_owner=True)
    assert "5 changes" in said and "still missing" not in said, said
    password = re.search(r"Password, which is not shown again: (\S+)", said)
    assert password
    assert (await day.said("school", "show")).count("[[campus]]") == 4
    return password[1]


async def _let_people_in(day: Day) -> str:
    """A second account, and a key for one campus alone; returns the key."""
    await day.said("staff", "add", "east-desk", "--name", "沈若溪", "--campus", "east")
    assert len((await day.said("staff", "list")).splitlines()) == 2
    return (await day.said("key", "add", "crm", "--campus", "east")).splitlines()[-1]


async def _have_the_seal_certified(day: Day) -> str:
    """By somebody who gets nothing but the request; returns what is said of the seal afterwards."""
    request = x509.load_pem_x509_csr((day.data / "seal.csr").read_bytes())
    assert request.is_signature_valid
    spki = request.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    day.authority.add("seal", "合肥市明德培训学校", spki, days=365)
    files = [str(day.authority.write(name)) for name in ("seal", "issuing", "root")]
    refused = await day.run("seal", "install", files[0], as_owner=True)
    assert refused.returncode == 2 and "the root of the authority is missing" in refused.stderr
    await day.said("seal", "install", *files, as_owner=True)
    said = await day.said("seal", "status")
    assert "issued by Certomancer issuing; its key is on the token" in said
    return said


async def _answers(day: Day, path: str) -> bool:
    try:
        async with day.http.get(day.origin + path) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectorError:
        return False


async def _log_in(day: Day, password: str) -> None:
    form = {"login": "office", "password": password}
    headers = {"Origin": day.origin}
    async with day.http.post(f"{day.origin}/staff/login", data=form, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()


async def _api(day: Day, key: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with day.http.request(method, f"{day.origin}/api/v1{path}", json=body, headers=headers) as answer:
        is_json = "json" in answer.content_type
        return answer.status, await answer.json() if is_json else await answer.read()


async def _sign(day: Day, key: str) -> Path:
    """From the other system's request to the completed file."""
    status, _ = await _api(day, key, "POST", "/contracts", {**WANTED, "campus": "west"})
    assert status == 422  # the key is for another campus
    status, contract = await _api(day, key, "POST", "/contracts", WANTED)
    assert status == 201, contract
    day.contract = contract
    ticket = await day.message(lambda text: re.search(r"/s/([0-9A-Z]{13})", text))
    async with SigningClient(day.origin) as client:
        await client.open(ticket)
        await until(lambda: _is_code_sent(client), 90)
        code = await day.message(ONE_TIME_CODE.search)
        await client.verify(code, "陈建国", "0019")
        assert (await client.sign()).state in ("SIGNED", "ISSUED")

    async def completed() -> bool:
        found = (await _api(day, key, "GET", f"/contracts/{contract['id']}"))[1]
        return bool(found["state"] == "COMPLETED")

    await until(completed)
    _, content = await _api(day, key, "GET", f"/contracts/{contract['id']}/final.pdf")
    final = day.installed.folder / f"{day.folder}.pdf"
    final.write_bytes(content)
    return final


async def _is_code_sent(client: SigningClient) -> bool:
    """Ask for a code. The second contract may come within the minute after the first one's code: wait as told."""
    try:
        await client.code()
    except ProtocolProblem as problem:
        if problem.code != "too-soon" or not problem.retry_after:
            raise
        await asyncio.sleep(problem.retry_after)
        return False
    return True


async def _judge(day: Day, final: Path, said_of_seal: str) -> None:
    """Offline, by our own verifier with the school's trust folder, and by programs that are not ours."""
    report = json.loads(await day.said("verify", str(final), "--json"))
    parties: dict[str, Mapping[str, Any]] = {each["field"]: each for each in report["parties"]}
    assert list(parties) == ["guardian-1", "seal"] and not report["failed"]
    seal = parties["seal"]["elements"]
    assert {name: answer["word"] for name, answer in seal.items()} == {
        "exclusively owned": "declared",
        "exclusively used": "declared",
        "signature unaltered": "shown",
        "text unaltered": "shown",
        "time": "shown",
    }
    owned = seal["exclusively owned"]
    assert f"exclusively owned: {owned['word']}. {owned['reason']['en']}" in said_of_seal
    assert parties["seal"]["issuer"] == "Certomancer issuing"
    assert parties["guardian-1"]["elements"]["exclusively owned"]["word"] == "not shown"  # of the built-in authority
    judge_by_qpdf(final)
    judge_by_pdfsig(final, ["guardian-1", "seal"])
    assert (await day.run("doctor", "--records", "--files")).returncode == 0
    record = (await day.said("school", "record")).splitlines()
    assert [line.split("Z  ")[1].split(",")[0] for line in record] == [
        "campuses or courses added or changed",
        "account added",
        "account added",
        "API key added",
        "certificate of the seal changed",
        "new key for encrypted columns",
        "earlier keys of encrypted columns retired",
    ]
