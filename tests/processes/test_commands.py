"""`qianda migrate`, `doctor`, `import`, `issue`, `serve` and `work`, on one data folder that is not a demo's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from uuid import uuid4

import pytest

from bench.programs.ports import free_port
from hub.documents.school.roster_sheets import PROBLEMS
from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.settings import PACKED
from hub.store.server.embedded import EmbeddedPostgres
from tests.checkout import ROOT
from tests.database import scratch_folder
from tests.processes import programs
from tests.processes.programs import Program, ask, eventually, real_school

pytestmark = pytest.mark.real


def run(data: Path, *words: str, **more: str) -> CompletedProcess[str]:
    """Run a command with the configuration of a school, unless the test has its own."""
    return programs.run(data, *words, **(real_school(data.parent) | more))


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Yield a data folder after `qianda migrate` and `qianda init`."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-commands-", dir=scratch_folder()))
    folder.chmod(0o755)
    data = folder / "data"
    try:
        early = run(data, "doctor")
        assert early.returncode == 2 and "run `qianda migrate` first" in early.stderr
        assert not data.exists()
        migrated = run(data, "migrate")
        assert migrated.returncode == 0 and "run `qianda init` next" in migrated.stdout, migrated.stderr
        assert "bound now" in run(data, "init").stdout
        migrated = run(data, "migrate")  # the second time changes nothing
        assert (migrated.returncode, migrated.stdout) == (0, "The database is up to date.\n"), migrated.stderr
        yield data
    finally:
        EmbeddedPostgres(data / "database").start().stop(remove=True)
        shutil.rmtree(folder)


def test_doctor_names_what_is_wrong(data: Path) -> None:
    examined = run(data, "doctor")
    assert examined.returncode == 1
    verdicts = dict(line.split(": ", 1) for line in examined.stdout.splitlines())
    bad = {part for part in verdicts if part.startswith("BAD")}
    assert bad == {"BAD  channels"}
    for part in ("database", "clock", "fonts", "token", "seal certificate", "timestamp service"):
        assert f"ok   {part}" in verdicts
    assert "for trial and internal use" in verdicts["ok   timestamp service"]


@pytest.mark.parametrize(("pipe", "code"), [("| head -n 0", 128 + signal.SIGPIPE), (">&-", 1)])
def test_whoever_stops_reading_gets_no_complaint(data: Path, pipe: str, code: int) -> None:
    """`head` has ended before the command prints its first line; nobody has a standard output that is closed."""
    typed = f"{programs.QIANDA} doctor {pipe}; exit ${{PIPESTATUS[0]}}"
    variables = programs.environment(data, **real_school(data.parent))
    done = subprocess.run(["bash", "-c", typed], env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_backup_that_keeps_the_newest_is_made_in_a_folder(data: Path) -> None:
    folder = data.parent / "not-mounted"
    refused = run(data, "backup", "--keep", "2", str(folder), QIANDA_BACKUP_PASSPHRASE="an owl in the belfry")
    assert refused.returncode == 2 and "there is no folder" in refused.stderr
    assert not folder.exists()


def test_a_backup_without_a_terminal_says_that_it_has_no_passphrase(data: Path) -> None:
    refused = run(data, "backup", str(data.parent / "backup"), QIANDA_BACKUP_PASSPHRASE="")
    assert refused.returncode == 2 and "set QIANDA_BACKUP_PASSPHRASE, or name a --passphrase-file" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and "Warning" not in refused.stderr


def test_import_names_bad_rows(data: Path) -> None:
    """No campus is loaded here, so every row is bad, and each is named."""
    refused = run(data, "import", str(PACKED / "demo" / "seeds" / "roster.xlsx"))
    assert refused.returncode == 1
    assert "0 enrolments added, 0 known already, 200 rows refused" in refused.stdout
    *rows, _ = refused.stdout.splitlines()
    assert len(rows) == 200
    for row in rows:  # a sentence each, without names from the code
        assert re.fullmatch(r"[A-Z]\d+, [^:]+: [A-Z][^()]+ \([^()]*\)\. [A-Z].+\.", row), row


def test_import_without_loading_and_the_sheet_with_its_faults(data: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.xlsx"
    refused = run(data, "import", str(PACKED / "demo" / "seeds" / "roster.xlsx"), "--dry-run", "--marked", str(marked))
    assert refused.returncode == 1 and "0 enrolments would be added" in refused.stdout
    spreadsheets = SpreadsheetReader()
    titles, first, *_ = spreadsheets.rows(marked.read_bytes())
    spreadsheets.close()
    assert titles[-1] == PROBLEMS and str(first[-1]).startswith("B2 campus: There is no such campus.")
    again = run(data, "import", str(PACKED / "demo" / "seeds" / "roster.xlsx"), "--marked", str(marked))
    assert again.returncode == 2, "an existing file is not overwritten"


def test_import_names_files_that_it_cannot_read(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"no spreadsheet")
    for file in (broken, tmp_path / "missing.xlsx"):
        unreadable = run(data, "import", str(file))
        assert unreadable.returncode == 2
        assert unreadable.stderr.startswith("qianda: ") and "Traceback" not in unreadable.stderr


def test_issue_refuses_an_unknown_enrolment(data: Path) -> None:
    refused = run(data, "issue", str(uuid4()))
    assert refused.returncode == 2
    assert refused.stderr.startswith("qianda: ") and "Traceback" not in refused.stderr


WRONG = {
    "metrics": ('metrics_token = "short"', "metrics_token: at least 16", ""),
    "channel": ('[channels.sms_twilio]\naccount = "AC12"\ncolour = "red"', "channels.sms_twilio: ", "colour: "),
    "kind": ('[channels.pigeon]\nkind = "sms_pigeon"', "channels.pigeon: there is no channel sms_pigeon", ""),
    "secret": ('[channels.sms_twilio]\nauth_token_file = "/nowhere"', "channels.sms_twilio.auth_token_file: ", "No"),
    "chat": ('[chats.dingtalk]\ncolour = "red"', "chats.dingtalk: ", "colour"),
    "alert": ('alerts_file = "/nowhere/alerts"', "/nowhere/alerts", ""),
    "address": ('alerts = ["nosuchscheme://x"]', "alerts", ""),
}


QUICK = "channel"
OTHERS = [each for each in WRONG if each != QUICK]


@pytest.mark.parametrize("wrong", [QUICK, *OTHERS])
def test_a_wrong_option_stops_the_start_with_file_key_and_reason(data: Path, tmp_path: Path, wrong: str) -> None:
    written, *words = WRONG[wrong]
    config = tmp_path / "own.toml"
    config.write_text(f"{written}\n{programs.SCHOOL}")
    stopped = run(data, "serve", QIANDA_CONFIG=str(config), QIANDA_PORT=str(free_port()))
    assert stopped.returncode == 2, stopped.stderr
    assert all(word in stopped.stderr for word in (str(config), *words)), stopped.stderr
    assert "Traceback" not in stopped.stderr and "again" not in stopped.stdout


def test_nothing_of_the_demo_exists_where_it_is_served(data: Path) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    variables = real_school(data.parent) | {"QIANDA_PORT": str(port)}
    started = [Program(data, command, variables=variables) for command in ("serve", "work")]
    try:
        eventually(lambda: ask(f"{origin}/readyz")[0] == 200, program=started[0])
        assert ask(f"{origin}/healthz")[0] == 200
        assert ask(f"{origin}/demo/phone")[0] == 404
        assert ask(f"{origin}/demo/phone.json?phone=%2B8619000000101")[0] == 404
        assert ask(f"{origin}/demo/clock", body={"advance": "1d"}, headers={"Origin": origin})[0] == 404
        for program in started:
            program.process.send_signal(signal.SIGTERM)
        assert [program.ended() for program in started] == [0, 0]
    finally:
        for program in started:
            program.clear()
    assert not EmbeddedPostgres(data / "database").answers()
    assert all("Traceback" not in program.output for program in started)


def test_each_worker_answers_on_its_own_port_and_wants_the_credential(data: Path, tmp_path: Path) -> None:
    first, token = free_port(2), tmp_path / "metrics-token"
    token.write_text("metrics-of-this-hub-alone\n")
    variables = real_school(data.parent) | {
        "QIANDA_WORKERS": "2",
        "QIANDA_WORK_PORT": str(first),
        "QIANDA_METRICS_TOKEN_FILE": str(token),
    }
    worker = Program(data, "work", variables=variables)
    try:
        for port in (first, first + 1):
            origin = f"http://127.0.0.1:{port}"
            eventually(lambda: ask(f"{origin}/readyz")[0] == 200, program=worker)  # noqa: B023 - asked at once
            assert ask(f"{origin}/metrics")[0] == 401
            status, text = ask(f"{origin}/metrics", key="metrics-of-this-hub-alone")
            assert status == 200 and 'qianda_worker_loop_late_seconds{loop="remind"} 0.0' in text
        refused = run(data, "work", **variables)
        assert refused.returncode == 2
        assert f"cannot listen on 127.0.0.1:{first}" in refused.stderr and "QIANDA_WORK_PORT" in refused.stderr
    finally:
        worker.clear()
    assert "Traceback" not in worker.output and "metrics-of-this-hub-alone" not in worker.output
    assert '"kind": "metrics-refused"' in worker.output


@pytest.mark.parametrize("streams", ["</dev/null >/dev/full 2>&1", "<&- >&- 2>&-"], ids=["full", "closed"])
def test_a_service_works_on_while_its_log_cannot_be_written(data: Path, streams: str) -> None:
    first = free_port(2)
    variables = real_school(data.parent) | {"QIANDA_WORK_PORT": str(first), "QIANDA_PORT": str(first + 1)}
    variables |= {"QIANDA_METRICS_TOKEN": "metrics-of-this-hub-alone"}
    started = [
        subprocess.Popen(["bash", "-c", f"exec {programs.QIANDA} {command} {streams}"], env=environment, cwd=ROOT)
        for command in ("work", "serve")
        for environment in [programs.environment(data, **variables)]
    ]
    try:
        for supervisor, port in zip(started, (first, first + 1), strict=True):
            origin = f"http://127.0.0.1:{port}"
            eventually(lambda: ask(f"{origin}/readyz")[0] == 200)  # noqa: B023 - asked at once
            (child,) = programs.children_of(supervisor.pid).values()
            assert ask(f"{origin}/metrics")[0] == 401  # which is logged
            os.kill(child, signal.SIGKILL)  # which the supervisor says
            eventually(lambda: not programs.alive(child))  # noqa: B023
            eventually(lambda: ask(f"{origin}/readyz")[0] == 200)  # noqa: B023
        for supervisor in started:
            supervisor.terminate()
        assert [supervisor.wait(programs.DOWN_TIMEOUT) for supervisor in started] == [0, 0]
    finally:
        for supervisor in started:
            supervisor.kill()
            supervisor.wait()


def test_the_outbox_does_not_exist_where_it_is_served(data: Path) -> None:
    refused = run(data, "doctor", QIANDA_CHANNELS='{"sms": "outbox"}')
    assert refused.returncode == 2
    assert "the outbox exists only in the demo" in refused.stderr


@pytest.mark.parametrize("command", ["serve", "work"])
def test_variables_of_the_demo_stop_the_start(data: Path, command: str) -> None:
    refused = run(data, command, QIANDA_PORT=str(free_port()), QIANDA_DEMO_PASSWORD="x")
    assert refused.returncode == 2
    assert "QIANDA_DEMO_PASSWORD is set" in refused.stderr


def test_the_demo_does_not_touch_this_database(data: Path) -> None:
    refused = run(data, "demo", QIANDA_PORT=str(free_port()))
    assert refused.returncode == 2
    assert "was not made by a demo" in refused.stderr


def test_an_unknown_authority_is_refused(data: Path) -> None:
    """It is refused, so that the built-in authority does not issue under another name."""
    refused = run(data, "doctor", QIANDA_AUTHORITY="licensed")
    assert refused.returncode == 2
    assert "there is no authority licensed" in refused.stderr
