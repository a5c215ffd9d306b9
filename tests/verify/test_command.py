"""`qianda verify` as a process: exit codes, both languages, JSON, limits, and other clocks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qianda.verify import UnreadablePdf, reasons
from qianda.verify.guard import verify_guarded
from tests.commands import run_command
from tests.signing_parts import FinishedParts

QIANDA = [sys.executable, "-c", "from qianda.cli import main; main()"]
YEARS_AHEAD = ["+20m", "+2d", "+400d", "+5y"]


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


def test_a_finished_contract_exits_with_0(contract: FinishedParts, file: Path) -> None:
    done = verify(file, "--trust", contract.trust_pem)
    assert (done.returncode, done.stderr) == (0, "")
    assert "for trial and internal use" in done.stdout
    assert "Result: nothing failed." in done.stdout


def test_the_authorities_of_the_data_folder_are_trusted(contract: FinishedParts, file: Path, tmp_path: Path) -> None:
    (tmp_path / "trust").mkdir()
    shutil.copy(contract.trust_pem, tmp_path / "trust" / "demo.pem")
    assert verify(file, data=tmp_path).returncode == 0


def test_without_any_trust_it_says_so_and_exits_with_1(file: Path, tmp_path: Path) -> None:
    done = verify(file, data=tmp_path)
    assert done.returncode == 1
    assert "No authority is trusted" in done.stderr
    assert "Result: something failed." in done.stdout


def test_an_altered_contract_exits_with_1(contract: FinishedParts, file: Path) -> None:
    file.write_bytes(contract.final.replace(b"12,800.00", b"12,900.00"))
    done = verify(file, "--trust", contract.trust_pem, "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["failed"]) == (1, True)
    assert said["elements"]["signature unaltered"]["word"] == "failed"


def test_what_is_no_pdf_exits_with_2(contract: FinishedParts, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("hello")
    for arguments in (["letter.txt"], ["missing.pdf"], ["letter.txt", "--json"]):
        done = verify(tmp_path / arguments[0], *arguments[1:], "--trust", contract.trust_pem)
        assert done.returncode == 2
        assert arguments[0] in done.stderr and "Traceback" not in done.stderr


def test_a_trust_file_that_is_missing_exits_with_2(file: Path, tmp_path: Path) -> None:
    done = verify(file, "--trust", tmp_path / "missing.pem")
    assert (done.returncode, "missing.pem" in done.stderr) == (2, True)


def test_a_folder_means_the_pem_files_in_it(contract: FinishedParts, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    empty = verify(file, "--trust", folder)
    assert (empty.returncode, empty.stdout) == (2, "")
    assert empty.stderr == f"{folder}: there are no *.pem files in this folder. Name one with certificates in it.\n"
    shutil.copy(contract.trust_pem, folder / "school.pem")
    (folder / "readme.txt").write_text("not a certificate")
    done = verify(file, "--trust", folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_trust_folder_that_is_missing_exits_with_2(file: Path, tmp_path: Path) -> None:
    done = verify(file, "--trust", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{tmp_path / 'nowhere'}: there is no such file or folder.")


def test_chinese_by_language_of_the_system_or_on_demand(contract: FinishedParts, file: Path) -> None:
    for done in (
        verify(file, "--trust", contract.trust_pem, lang="zh_CN.UTF-8"),
        verify(file, "--trust", contract.trust_pem, "--language", "zh"),
    ):
        assert done.returncode == 0
        assert "专人所有" in done.stdout and "仅供试用和内部使用" in done.stdout


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


def test_a_check_that_takes_too_long_is_ended(contract: FinishedParts, file: Path) -> None:
    with pytest.raises(UnreadablePdf) as ended:
        verify_guarded(file, [contract.trust_pem], seconds=0.01)
    assert ended.value.reason == reasons.TOO_SLOW.about(seconds=0)


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
