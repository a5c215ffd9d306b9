"""`qianda verify --trust`: files and folders that cannot be trusted are named, with the reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.signing_parts import FinishedParts
from tests.verify.test_command import verify


@pytest.fixture
def file(contract: FinishedParts, tmp_path: Path) -> Path:
    written = tmp_path / "contract.pdf"
    written.write_bytes(contract.final)
    return written


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


def test_what_cannot_be_trusted_is_called_so_in_chinese(file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "letter.pem").write_text("hello")
    (tmp_path / "crl.pem").write_text("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    wanted = {
        "nowhere": "没有这个文件或文件夹",
        "empty": "这个文件夹中没有 *.pem 文件",
        "letter.pem": "无法读取其中的证书",
        "crl.pem": "其中没有证书",
    }
    for name, words in wanted.items():
        done = verify(file, "--trust", tmp_path / name, "--language", "zh")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"{tmp_path / name}：{words}")


def test_a_trust_folder_that_is_missing_exits_with_2(file: Path, tmp_path: Path) -> None:
    done = verify(file, "--trust", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{tmp_path / 'nowhere'}: there is no such file or folder.")
