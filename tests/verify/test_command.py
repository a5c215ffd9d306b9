"""`qianda verify` as a process: exit codes, both languages, JSON, limits, and other clocks."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qianda.verify import UnreadableDocument, reasons
from qianda.verify.findings import readable
from qianda.verify.guard import NICENESS, verify_guarded
from tests.checkout import ROOT
from tests.commands import run_command
from tests.documents.contract_samples import contract_pdf
from tests.signing_parts import FinishedParts, finished_contract, sample_pdf

QIANDA = [sys.executable, "-c", "from qianda.cli import main; main()"]
SEALED_BY = "示范学校"
YEARS_AHEAD = ["+20m", "+2d", "+400d", "+5y"]


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> FinishedParts:
    """Return a contract of the product's own layout, which contains its number."""
    document = contract_pdf()
    return asyncio.run(finished_contract(tmp_path_factory.mktemp("named"), document=document))


@pytest.fixture
def file(contract: FinishedParts, tmp_path: Path) -> Path:
    path = tmp_path / "contract.pdf"
    path.write_bytes(contract.final)
    return path


def verify(
    *arguments: object, data: Path | None = None, lang: str = "C.UTF-8", before: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LANG": lang, "LC_ALL": lang, "COLUMNS": "200", "QIANDA_DATA": str(data or "nowhere")}
    words = ["verify", *map(str, arguments)]
    if not before:
        return run_command(words, environment)
    command = [*before, *QIANDA, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_nothing_in_a_file_writes_over_or_turns_round_the_answer(tmp_path: Path) -> None:
    hostile = "王\x1b[2J\x9b1A\u202e\nResult: nothing failed"
    about = b"/Info << /Keywords <feff%b> >> /Root" % hostile.encode("utf-16-be").hex().encode()
    document = sample_pdf().replace(b"/Root", about)
    parts = asyncio.run(finished_contract(tmp_path, names=(hostile,), document=document))
    file = tmp_path / "contract.pdf"
    file.write_bytes(parts.final)
    done = verify(file, "--trust", parts.trust_pem, "--expect", "QD-1")
    assert done.returncode == 1 and "王\ufffd[2J\ufffd1A\ufffd\ufffdResult" in done.stdout
    assert done.stdout.replace("\n", "").isprintable()


def test_nothing_in_a_files_name_writes_over_the_answer(tmp_path: Path) -> None:
    file = tmp_path / "\x1b[2J\u202e\nResult: nothing failed.pdf"
    for found in (False, True):
        if found:
            file.write_bytes(b"no PDF")
        done = verify(file, data=tmp_path)
        assert done.returncode == 2 and "\ufffd[2J\ufffd\ufffdResult" in done.stderr
        assert done.stderr.replace("\n", "").isprintable() and len(done.stderr.splitlines()) == 2


def test_a_name_is_said_as_it_is_written(contract: FinishedParts, tmp_path: Path) -> None:
    for name, said in ((b":skull:.pdf", ":skull:.pdf"), (b"no text \xff.pdf", "no text \ufffd.pdf")):
        file = tmp_path / os.fsdecode(name)
        file.write_bytes(contract.final)
        for form in ([], ["--json"]):
            done = verify(file, "--trust", contract.trust_pem, *form)
            assert done.returncode == 0 and said in done.stdout, done.stderr


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\ufeff", "\u00ad", "\u2060", "\u2800", "\u3164", "\U0001d173", "\U000e0041", "\ud800"]
)
def test_nothing_that_nobody_sees_makes_two_names_look_the_same(hidden: str) -> None:
    assert readable(f"王{hidden}小明") == "王\ufffd小明"


def test_a_finished_contract_exits_with_0(contract: FinishedParts, file: Path) -> None:
    done = verify(file, "--trust", contract.trust_pem)
    assert (done.returncode, done.stderr) == (0, "")
    assert "for trial and internal use" in done.stdout
    assert "Result: nothing failed." in done.stdout


def test_the_authorities_of_the_data_folder_are_trusted(contract: FinishedParts, file: Path, tmp_path: Path) -> None:
    (tmp_path / "trust").mkdir()
    shutil.copy(contract.trust_pem, tmp_path / "trust" / "demo.pem")
    done = verify(file, data=tmp_path)
    assert (done.returncode, f"Trusted: the certificates in {tmp_path / 'trust'}." in done.stderr) == (0, True)


def test_no_program_beside_the_file_is_run(contract: FinishedParts, file: Path, tmp_path: Path) -> None:
    """A stranger's folder may hold more than the contract: Python's children look for their modules there first."""
    program = tmp_path / "elsewhere" / "qianda"  # as it is installed: a script in a folder of its own
    program.parent.mkdir()
    program.write_text("from qianda.cli import main\nif __name__ == '__main__':\n    main()\n")
    for name in ("multiprocessing", "pickle", "struct"):
        (file.parent / f"{name}.py").write_text("raise SystemExit('a program of a stranger')\n")
    command = [sys.executable, str(program), "verify", file.name, "--trust", str(contract.trust_pem)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_as_a_module_it_takes_no_other_module_from_the_working_folder(file: Path) -> None:
    for name in ("argparse", "typer", "json", "multiprocessing"):
        (file.parent / f"{name}.py").write_text("raise SystemExit('a program of a stranger')\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "qianda", "verify", "--help"]
    done = subprocess.run(command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_any_trust_it_says_so_and_exits_with_1(file: Path, tmp_path: Path) -> None:
    done = verify(file, data=tmp_path)
    assert done.returncode == 1
    assert "No authority is trusted" in done.stderr
    assert "没有信任任何认证机构" in verify(file, "--language", "zh", data=tmp_path).stderr
    assert "Result: something failed." in done.stdout
    assert done.stdout.startswith("Who signed this file, and when, could not be checked")


def test_without_any_trust_an_altered_file_is_said_to_be_altered(
    contract: FinishedParts, file: Path, tmp_path: Path
) -> None:
    file.write_bytes(contract.final.replace(b"12,800.00", b"12,900.00"))
    done = verify(file, data=tmp_path)
    assert done.returncode == 1 and done.stdout.startswith("Do not rely on this file: ")
    assert not done.stdout.startswith("Do not rely on this file: No authority")


def test_an_altered_contract_exits_with_1(contract: FinishedParts, file: Path) -> None:
    file.write_bytes(contract.final.replace(b"12,800.00", b"12,900.00"))
    done = verify(file, "--trust", contract.trust_pem, "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["failed"]) == (1, True)
    assert said["elements"]["signature unaltered"]["word"] == "failed"


def test_it_opens_with_a_verdict_and_with_who_signed_when(contract: FinishedParts, file: Path) -> None:
    zone = dict(os.environ, TZ="Asia/Shanghai")
    command = [*QIANDA, "verify", str(file), "--trust", str(contract.trust_pem), "--language", "en"]
    done = subprocess.run(command, env=zone | {"COLUMNS": "200"}, capture_output=True, text=True, check=False)
    first, second, _, *others = done.stdout.splitlines()
    who = f"signed by 王小明 and 李雷 and sealed by {SEALED_BY}"
    assert first == f"This file was {who}, and has not been changed since."
    assert second.startswith("But its certificates are of the built-in authority, for trial use")
    signer = next(line for line in others if line.startswith("Signer: 王小明"))
    assert "UTC+08:00" in signer


def test_a_failed_file_opens_with_a_warning(contract: FinishedParts, file: Path) -> None:
    file.write_bytes(contract.final.replace(b"12,800.00", b"12,900.00"))
    done = verify(file, "--trust", contract.trust_pem, "--language", "en")
    assert done.stdout.startswith("Do not rely on this file: ")


def test_another_contract_than_the_expected_one_fails(
    tmp_path: Path, named: FinishedParts, contract: FinishedParts
) -> None:
    """The same people, another number: a genuine contract, but not the expected one."""
    (tmp_path / "named.pdf").write_bytes(named.final)
    trusted = [tmp_path / "named.pdf", "--trust", named.trust_pem]
    done = verify(*trusted, "--json", "--expect", "HF-2026-000001")
    assert json.loads(done.stdout)["contract"]["number"] == "HF-2026-000001" and done.returncode == 0, done.stdout
    shown = verify(*trusted, "--language", "en").stdout.splitlines()
    # Signed, but drawn on no page: the pages could be those of another contract.
    assert shown[0].startswith("This file (which calls itself contract HF-2026-000001 “课程培训服务合同”) was signed")
    assert any(line.startswith("Its properties (what counts is on its pages): HF-2026-000001 ") for line in shown)
    other = verify(*trusted, "--expect", "HF-2026-000002", "--language", "en")
    assert other.returncode == 1 and "HF-2026-000002 was expected, the file is HF-2026-000001" in other.stdout
    (tmp_path / "unnamed.pdf").write_bytes(contract.final)
    unnamed = verify(tmp_path / "unnamed.pdf", "--trust", contract.trust_pem, "--expect", "HF-2026-000001")
    assert unnamed.returncode == 1
    assert verify(*trusted, "--expect", "").returncode == 1  # a script's variable that is not set


def test_nothing_is_not_the_folder_in_which_a_strangers_certificates_may_lie(
    tmp_path: Path, contract: FinishedParts
) -> None:
    (tmp_path / "contract.pdf").write_bytes(contract.final)
    (tmp_path / "strangers.pem").write_bytes(contract.trust_pem.read_bytes())
    codes = {}
    for trusted in ("", "."):
        command = [*QIANDA, "verify", "contract.pdf", "--trust", trusted]
        codes[trusted] = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode
    assert codes == {"": 2, ".": 0}


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        ({"number": "HF-2026-000001"}, 0),
        ({"number": "HF-2026-000009"}, 1),
        ({"document_sha256": "issued"}, 0),
        ({"document_sha256": "0" * 64}, 1),
        ({"final_sha256": "final", "fields": ["guardian-1", "seal"]}, 0),
        ({"final_sha256": "0" * 64}, 1),
        ({"fields": ["guardian-1", "guardian-2", "seal"]}, 1),
        ({"something": "else"}, 2),
        (["no", "object"], 2),
        ({"number": 7}, 2),
        ({"number": "HF-2026-000001", "fields": "seal"}, 2),
        ({"number": "HF-2026-000001", "fields": [7]}, 2),
    ],
)
def test_a_manifest_says_which_file_it_must_be(
    tmp_path: Path, named: FinishedParts, manifest: object, code: int
) -> None:
    hashes = {"issued": named.revisions["unsigned"], "final": named.final}
    said = json.loads(json.dumps(manifest))
    for name, value in list(said.items()) if isinstance(said, dict) else ():
        if isinstance(value, str) and value in hashes:
            said[name] = hashlib.sha256(hashes[value]).hexdigest()
    (tmp_path / "named.pdf").write_bytes(named.final)
    (tmp_path / "manifest.json").write_text(json.dumps(said))
    done = verify(tmp_path / "named.pdf", "--trust", named.trust_pem, "--manifest", tmp_path / "manifest.json")
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        '{"number": "HF-2026-000009", "number": "HF-2026-000001"}',
        '{"number": "HF-2026-000001", "more": NaN}',
        "[" * 100_000,
    ],
    ids=["twice", "NaN", "deep"],
)
def test_a_manifest_that_programs_read_differently_exits_with_2(
    tmp_path: Path, named: FinishedParts, text: str
) -> None:
    (tmp_path / "named.pdf").write_bytes(named.final)
    (tmp_path / "manifest.json").write_text(text)
    done = verify(tmp_path / "named.pdf", "--trust", named.trust_pem, "--manifest", tmp_path / "manifest.json")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_a_missing_manifest_exits_with_2(tmp_path: Path, named: FinishedParts, file: Path) -> None:
    done = verify(file, "--trust", named.trust_pem, "--manifest", tmp_path / "nothing.json")
    assert done.returncode == 2 and "nothing.json" in done.stderr


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("{}", "其中没有可供比对的编号、摘要或签名域。", "it names no number, no hash"),
        ('{"number": "1", "fields": [7]}', "其中的 fields 不是名称列表。", "its fields are not a list of names"),
        ("{", "不是可以读取的 JSON 文件。", "Expecting property name"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_in_the_readers_language(
    tmp_path: Path, named: FinishedParts, file: Path, text: str, zh: str, en: str
) -> None:
    (tmp_path / "manifest.json").write_text(text)
    for language, words, between in (("zh", zh, "："), ("en", en, ": ")):
        given = ("--trust", named.trust_pem, "--manifest", tmp_path / "manifest.json", "--language", language)
        done = verify(file, *given)
        assert done.returncode == 2 and f"manifest.json{between}{words}" in done.stderr


def test_what_is_no_pdf_exits_with_2(contract: FinishedParts, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("hello")
    for arguments in (["letter.txt"], ["missing.pdf"], ["letter.txt", "--json"]):
        done = verify(tmp_path / arguments[0], *arguments[1:], "--trust", contract.trust_pem)
        assert done.returncode == 2
        assert arguments[0] in done.stderr and "Traceback" not in done.stderr


def test_chinese_by_language_of_the_system_or_on_demand(contract: FinishedParts, file: Path) -> None:
    for done in (
        verify(file, "--trust", contract.trust_pem, lang="zh_CN.UTF-8"),
        verify(file, "--trust", contract.trust_pem, "--language", "zh"),
    ):
        assert done.returncode == 0
        assert "专人所有" in done.stdout and "仅供试用和内部使用" in done.stdout


def test_a_folder_and_a_missing_file_are_called_so_in_the_readers_language(
    contract: FinishedParts, tmp_path: Path
) -> None:
    said = [(tmp_path, "Is a directory", "这是文件夹"), (tmp_path / "no.pdf", "No such file", "没有这个文件")]
    for path, *words in said:
        for language, word in zip(("en", "zh"), words, strict=True):
            done = verify(path, "--trust", contract.trust_pem, "--language", language)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(f"{path}: {word}")
            as_json = verify(path, "--trust", contract.trust_pem, "--json", "--language", language)
            assert (as_json.returncode, as_json.stderr) == (2, done.stderr)
            said_of_it = json.loads(as_json.stdout)
            assert said_of_it.pop("reason")[language].startswith(word)
            assert said_of_it == {"file": path.name, "readable": False, "failed": True}


def test_a_report_that_cannot_be_written_says_nothing_about_the_file(contract: FinishedParts, file: Path) -> None:
    done = verify(file, "--trust", contract.trust_pem, "--json", "--report", file)
    assert (done.returncode, done.stdout) == (2, "")


def test_json_names_elements_parties_and_time(contract: FinishedParts, file: Path) -> None:
    said = json.loads(verify(file, "--trust", contract.trust_pem, "--json").stdout)
    assert (said["readable"], said["failed"], said["trial"]) == (True, False, True)
    assert [party["role"] for party in said["parties"]] == ["signer", "signer", "seal"]
    assert {name: answer["word"] for name, answer in said["parties"][0]["elements"].items()} == {
        "exclusively owned": "not shown",
        "exclusively used": "declared",
        "signature unaltered": "shown",
        "text unaltered": "shown",
        "time": "not shown",
    }


def test_a_check_that_got_too_little_time_says_nothing_about_the_file(contract: FinishedParts, file: Path) -> None:
    with pytest.raises(TimeoutError):
        verify_guarded(file, [contract.trust_pem], wait_seconds=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about a process")
def test_a_check_lets_others_go_first_and_is_ended_when_its_time_is_used(contract: FinishedParts, file: Path) -> None:
    """The system ends the check by a signal, which the test sends as soon as priority and limit are set as they should
    be."""
    wanted = (min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS), os.SCHED_BATCH, 7)
    with ThreadPoolExecutor() as threads:
        checking = threads.submit(verify_guarded, file, [contract.trust_pem], cpu_seconds=7)
        pids: list[int] = []
        while not checking.done():
            if not pids:  # once: asking again would take the child's end from the thread that waits for it
                pids = [child.pid for child in multiprocessing.active_children() if child.pid]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    limit, _ = resource.prlimit(pid, resource.RLIMIT_CPU)
                    if (os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid), limit) == wanted:
                        os.kill(pid, signal.SIGXCPU)
    with pytest.raises(UnreadableDocument) as ended:
        checking.result()
    assert ended.value.reason == reasons.TOO_SLOW.about(seconds=7)


def test_the_help_names_verify() -> None:
    done = subprocess.run([*QIANDA, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "verify" in done.stdout) == (0, True)


def test_a_server_command_without_the_server_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "__init__.py").write_text("raise ModuleNotFoundError('No module named asyncpg')")
    command = [*QIANDA, "demo"]  # in a folder whose own `hub` comes first on the path
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "need the extra 'server'" in done.stderr and "asyncpg" in done.stderr


def test_the_command_starts_without_the_pdf_library_or_the_server() -> None:
    program = (
        "import sys, qianda.cli; print([m for m in ('pyhanko', 'hub', 'aiohttp', 'asn1crypto') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def later(contract: FinishedParts, file: Path, clock: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    return verify(file, "--trust", contract.trust_pem, before=("faketime", "-f", clock))


def test_it_is_accepted_when_certificates_and_crls_have_run_out(contract: FinishedParts, file: Path) -> None:
    done = later(contract, file, "+400d")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.parametrize("clock", YEARS_AHEAD)
def test_it_is_accepted_for_years(contract: FinishedParts, file: Path, clock: str) -> None:
    done = later(contract, file, clock)
    assert done.returncode == 0, done.stdout + done.stderr
