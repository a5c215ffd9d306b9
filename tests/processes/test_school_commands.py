"""`qianda school`, `staff` and `key` as an operator types them, on one data folder that is not a demo's."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess

import asyncpg
import pytest
from cryptography import x509

from hub.store.server.embedded import EmbeddedPostgres
from tests.database import scratch_folder
from tests.processes import programs
from tests.school_toml import ORGANISATION, SCHOOL

pytestmark = pytest.mark.real
DAY = timedelta(days=1)
OIDC = {"QIANDA_OIDC__ISSUER": "https://login.school.example", "QIANDA_OIDC__CLIENT_ID": "qianda"}


class Operator:
    """An operator at a shell, with one data folder and the configuration of the school."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        (folder / "own.toml").write_text(ORGANISATION, "utf-8")

    def run(self, *words: str, **more: str) -> CompletedProcess[str]:
        return programs.run(self.data, *words, QIANDA_CONFIG=str(self.folder / "own.toml"), **more)

    def said(self, *words: str, **more: str) -> str:
        done = self.run(*words, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def file(self, text: str) -> str:
        path = self.folder / "school.toml"
        path.write_text(text, "utf-8")
        return str(path)


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    folder = Path(tempfile.mkdtemp(prefix="qianda-school-", dir=scratch_folder()))
    folder.chmod(0o755)
    operator = Operator(folder)
    try:
        operator.said("migrate")
        operator.said("init")
        operator.said("school", "apply", operator.file(SCHOOL))
        yield operator
    finally:
        EmbeddedPostgres(operator.data / "database").start().stop(remove=True)
        shutil.rmtree(folder)


def test_a_file_is_applied_once_and_shown_again(operator: Operator) -> None:
    assert operator.said("school", "apply", operator.file(SCHOOL)) == "0 changes, 5 entries as they are.\n"
    shown = operator.said("school", "show")
    assert '[[campus]]\nid = "west"\nparent = "hq"' in shown
    assert operator.said("school", "apply", operator.file(shown)) == "0 changes, 5 entries as they are.\n"


def test_a_dry_run_shows_the_changes_and_makes_none(operator: Operator) -> None:
    dearer = SCHOOL.replace("price = 1800", "price = 1900")
    said = operator.said("school", "apply", operator.file(dearer), "--dry-run")
    assert said == (
        "~ course east/drawing: price: '1800.00' → '1900.00'\n"
        "1 change, 4 entries as they are. Nothing was changed (--dry-run).\n"
    )
    assert 'price = "1800.00"' in operator.said("school", "show")


def test_every_fault_is_named_and_nothing_is_changed(operator: Operator) -> None:
    before = operator.said("school", "show")
    wrong = SCHOOL.replace("Asia/Urumqi", "Asia/Urumchi").replace("lessons = 20", "lessons = 0")
    refused = operator.run("school", "apply", operator.file(wrong.replace('parent = "west"', 'parent = "wset"')))
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert refused.stdout.splitlines() == [
        "campus 3 (west), zone: there is no time zone Asia/Urumchi; did you mean Asia/Urumqi?",
        "course 1 (drawing), details, lessons: has to be a whole number above 0, not 0",
        "campus 4 (west-annex), parent: there is no campus wset",
        "3 faults. Nothing was changed.",
    ]
    one = operator.run("school", "apply", operator.file(SCHOOL.replace("lessons = 20", "lessons = 0")))
    assert "1 fault. Nothing was changed." in one.stdout
    missing = operator.run("school", "apply", str(operator.folder / "nowhere.toml"))
    assert missing.returncode == 2 and missing.stderr.startswith("qianda: ")
    assert operator.said("school", "show") == before


def test_an_account_from_its_first_day_to_its_last(operator: Operator) -> None:
    made = operator.said("staff", "add", "zhou", "--name", "周示范", "--campus", "hq", "--role", "headquarters")
    assert re.search(r"Password, which is not shown again: (\w{4}-){3}\w{4}\n", made)
    again = operator.run("staff", "add", "zhou", "--name", "周示范", "--campus", "hq")
    assert again.returncode == 2 and "there is an account zhou already" in again.stderr
    (operator.folder / "password").write_text("a long enough one\n", "utf-8")
    reset = operator.said("staff", "reset", "zhou", "--password-file", str(operator.folder / "password"))
    assert reset == "Password set, sessions ended: zhou.\n"
    assert "zhou  周示范  hq  headquarters  0 sessions" in operator.said("staff", "list")
    assert operator.said("staff", "sessions", "zhou") == ""
    assert operator.said("staff", "sessions", "zhou", "--end") == "0 sessions ended: zhou.\n"
    assert operator.said("staff", "role", "zhou", "clerk") == "zhou is clerk now.\n"
    assert operator.said("staff", "unlock", "zhou") == "Unlocked: zhou.\n"
    assert operator.said("staff", "second-factor", "zhou") == "no\n"
    refused = operator.run("staff", "second-factor", "zhou", "--remove")
    assert refused.returncode == 2 and "has no second factor" in refused.stderr
    operator.said("staff", "disable", "zhou")
    assert "disabled since 20" in operator.said("staff", "list")
    operator.said("staff", "enable", "zhou")
    unknown = operator.run("staff", "disable", "nobody")
    assert unknown.returncode == 2 and unknown.stderr == "qianda: there is no account nobody\n"
    record = operator.said("school", "record")
    assert "account added, by command-line" in record and '"login": "zhou"' in record and '"role' not in record


def test_a_key_is_shown_once(operator: Operator) -> None:
    added = operator.said("key", "add", "crm")
    secret = added.splitlines()[-1]
    assert secret.startswith("qdk_") and "for hq and all below it" in added
    listed = operator.said("key", "list")
    assert "crm  hq  since 20" in listed and secret not in listed
    assert operator.said("key", "revoke", "crm") == "Revoked: crm.\n"
    assert "revoked 20" in operator.said("key", "list")
    assert secret not in operator.said("school", "record")


async def _fail_logins(operator: Operator, *ages: int) -> None:
    """Add failed logins of so many days ago."""
    with EmbeddedPostgres(operator.data / "database") as server:
        owner = await asyncpg.connect(server.dsn("owner"))
        for age in ages:
            await owner.execute("INSERT INTO login_failure (login, at) VALUES ('x', now() - $1::interval)", age * DAY)
        await owner.close()


def test_what_would_be_pruned_is_said_and_then_pruned(operator: Operator) -> None:
    asyncio.run(_fail_logins(operator, 1, 31, 32))
    said = operator.said("prune", "--dry-run")
    assert re.search(r"^login-failures +30 d +2 +\d+  login_failure$", said, re.MULTILINE)
    assert re.search(r"^record_entry +kept: it belongs to a contract", said, re.MULTILINE)
    assert re.search(r"^login-failures +2 deleted$", operator.said("prune"), re.MULTILINE)
    assert "login-failures" not in operator.said("prune")
    pruned = [line for line in operator.said("school", "record").splitlines() if "after its retention time" in line]
    assert len(pruned) == 1 and '"number_of": 2' in pruned[0] and "command-line" in pruned[0]


async def _park_job(operator: Operator) -> int:
    with EmbeddedPostgres(operator.data / "database") as server:
        owner = await asyncpg.connect(server.dsn("owner"))
        parked = "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'alert', $1, 'failed')"
        number = await owner.fetchval(f"{parked} RETURNING id", b'{"alert": "4711"}')
        await owner.close()
        return int(number)


def test_failed_jobs_are_listed_run_again_and_deleted(operator: Operator) -> None:
    assert operator.said("jobs", "list") == "No job has failed.\n"
    assert operator.said("jobs", "list", "--json") == ""
    retried, dropped = (asyncio.run(_park_job(operator)) for _ in range(2))
    listed = operator.said("jobs", "list").splitlines()
    assert len(listed) == 2 and listed[0].startswith(f"{retried}  alert  alert=4711  since 20")
    assert listed[0].endswith("the log of the worker has the reason")
    shown = [json.loads(line) for line in operator.said("jobs", "list", "--json").splitlines()]
    assert [(each["id"], each["payload"]) for each in shown] == [(id_, {"alert": "4711"}) for id_ in (retried, dropped)]
    assert f"Job {retried} waits for a worker" in operator.said("jobs", "retry", str(retried))
    refused = operator.run("jobs", "retry", str(dropped))
    assert refused.returncode == 2 and "another job for the same work is waiting" in refused.stderr
    assert operator.said("jobs", "drop", str(dropped)) == f"Job {dropped} was deleted.\n"
    unknown = operator.run("jobs", "drop", str(dropped))
    assert unknown.returncode == 2 and f"no failed job has the number {dropped}" in unknown.stderr


def test_a_key_has_scopes_and_an_end_and_is_rotated(operator: Operator) -> None:
    added = operator.said("key", "add", "reports", "--scope", "read", "--scope", "metrics", "--expires", "2199-01-01")
    rotated = operator.said("key", "rotate", "reports", "--overlap", "2")
    first, second = (text.splitlines()[-1] for text in (added, rotated))
    assert first.startswith("qdk_") and second.startswith("qdk_") and first != second
    listed = [line for line in operator.said("key", "list").splitlines() if line.startswith("reports  ")]
    assert len(listed) == 2 and all("valid until" in line and line.endswith("metrics, read") for line in listed)
    wrong = operator.run("key", "add", "other", "--scope", "admin")
    assert wrong.returncode == 2 and "there is no scope admin" in wrong.stderr


def test_a_seal_is_applied_for_approved_made_and_granted(operator: Operator) -> None:
    """Two people approve, each by the password of the account; nobody twice."""
    password = operator.folder / "password.txt"
    password.write_text("right horse battery staple\n", "utf-8")
    for login in ("keeper-b", "keeper-c"):
        operator.said(
            "staff",
            "add",
            login,
            "--name",
            login,
            "--campus",
            "hq",
            "--role",
            "seal-keeper",
            "--password-file",
            str(password),
        )
    operator.said("seal", "apply", "招生合同章", "--reason", "contracts of the summer")
    approve = ("seal", "approve", "招生合同章", "--password-file", str(password), "--as")
    assert "is applied" in operator.said(*approve, "keeper-b")
    assert operator.run(*approve, "keeper-b").returncode == 2
    assert "is approved" in operator.said(*approve, "keeper-c")
    operator.said("seal", "make", "招生合同章")
    operator.said("seal", "grant", "招生合同章", "--contracts", "--uses", "100")
    assert "招生合同章 is active" in operator.said("seal", "activate", "招生合同章")
    assert "a software key, sm2-" in operator.said("seal", "make-sm2", "招生合同章")
    assert "SM2 (a software key, sm2-" in operator.said("seal", "list")
    assert "a software key  招生合同章  OFD (SM2)  until" in operator.said("seal", "keys")
    shown = operator.said("seal", "show", "招生合同章")
    assert "0 of 100 uses" in shown and shown.count("approved by") == 2


def test_a_seal_is_stopped_ended_and_its_register_written(operator: Operator) -> None:
    name = "招生合同章"
    assert f"{name} is suspended" in operator.said("seal", "suspend", name)
    assert f"{name} is active" in operator.said("seal", "resume", name)
    register = operator.folder / "register.csv"
    operator.said("seal", "register", name, "--out", str(register), "--since", "2026-01-01", "--until", "2999-12-31")
    assert len(register.read_text("utf-8-sig").splitlines()) == 1
    (wrong := operator.folder / "wrong.pem").write_text("no certificate\n", "utf-8")
    given = (str(wrong), "--token-key", "sm2", "--certificate", str(wrong))
    refused = operator.run("seal", "install-sm2", name, *given)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert f"{name} is revoked" in operator.said("seal", "revoke", name)
    assert f"{name} is archived" in operator.said("seal", "archive", name)
    operator.said("seal", "apply", "误申请章", "--reason", "a mistake")
    assert "误申请章 is rejected" in operator.said("seal", "reject", "误申请章")


def test_what_an_operator_types_now_and_then(operator: Operator) -> None:
    assert operator.said("pause").startswith("Sending is paused.")
    assert operator.said("resume") == "Sending has resumed.\n"
    assert operator.said("renew", "--dry-run") == "nothing is due\n" and operator.said("renew") == "nothing was due\n"
    assert operator.said("person", "erase-confirmed") == "No erasure is confirmed.\n"
    request = operator.folder / "seal.csr"
    assert "send it to the authority" in operator.said("seal", "request", "--out", str(request))
    assert x509.load_pem_x509_csr(request.read_bytes()).is_signature_valid
    assert "of the built-in authority" in operator.said("seal", "renew")
    linked = operator.said("staff", "link", "zhou", "248289761001", **OIDC)
    assert linked == "Linked, sessions ended: zhou.\n"
    assert operator.said("staff", "link", "zhou", "--remove", **OIDC) == "Link ended, sessions ended: zhou.\n"
