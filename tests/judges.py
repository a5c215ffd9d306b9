"""Independent programs judge a contract: pdfsig, qpdf, OpenSSL, pyHanko (long-term), mutool, PDFBox."""

from __future__ import annotations

import atexit
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import cms
from pyhanko.pdf_utils.reader import PdfFileReader

VALIDATOR = Path(__file__).parent / "documents" / "validate_offline.py"
PDFBOX_JUDGE = Path(__file__).parent / "real" / "PdfBoxCheck.java"
JARS = Path("/usr/share/java")
TIMESTAMP = "document-timestamp"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def judge(file: Path, trust: Path, names: Sequence[str], clock: str | None = None) -> None:
    """Have pdfsig, qpdf, OpenSSL and pyHanko judge a file.

    `trust` (PEM): the authority's root and the pinned timestamp certificate. `names`: the signed fields.
    """
    judge_by_pdfsig(file, names)
    judge_by_qpdf(file)
    judge_by_openssl(file, trust)
    judge_by_pyhanko(file, trust, names, clock)


def judge_by_pdfsig(file: Path, names: Sequence[str]) -> None:
    """Expect "Signature is Valid" for each field, and "Total document signed" for the last, the document timestamp."""
    *signatures, last = run(program("pdfsig"), "-nocert", file).split("Signature #")[1:]
    assert len(signatures) == len(names)
    for name, signature in zip(names, signatures, strict=True):
        assert f"Signature Field Name: {name}\n" in signature
        assert "Signature is Valid." in signature
    assert "Total document signed" in last
    assert f"Signature Field Name: {TIMESTAMP}\n" in last


def judge_by_qpdf(file: Path) -> None:
    assert "No syntax or stream encoding errors found" in run(program("qpdf"), "--check", file)


def judge_by_openssl(file: Path, trust: Path) -> None:
    """Run `cms -verify` for each signature and `ts -verify` for the document timestamp, each over its own byte
    range."""
    pdf, folder = file.read_bytes(), file.parent
    for signature in PdfFileReader(io.BytesIO(pdf)).embedded_signatures:
        start, length, resume, tail = (int(number) for number in signature.byte_range)
        (folder / "content").write_bytes(pdf[start : start + length] + pdf[resume : resume + tail])
        (folder / "signature.der").write_bytes(cms.ContentInfo.load(signature.pkcs7_content).dump())
        what = ("-in", folder / "signature.der", "-CAfile", trust)
        if signature.sig_object_type == "/DocTimeStamp":
            run("openssl", "ts", "-verify", "-token_in", "-data", folder / "content", *what)
        else:
            form = ("-inform", "DER", "-content", folder / "content", "-binary", "-out", "/dev/null")
            run("openssl", "cms", "-verify", *form, *what)


def judge_by_pyhanko(file: Path, trust: Path, names: Sequence[str], clock: str | None = None) -> None:
    """Expect PAdES B-LTA with the timestamp authority pinned. `clock`: an offset for faketime, such as `+400d`."""
    with _PYHANKO_LOCK:
        accepted, said = _pyhanko(clock).judge([str(file), str(trust), *names])
    assert accepted, said
    assert said.splitlines() == [f"{name}: accepted" for name in names]


class PyhankoProcess:
    """pyHanko by itself, without anything of ours, in a process that judges file after file under one clock."""

    def __init__(self, clock: str | None) -> None:
        moved = (program("faketime"), "-f", clock) if clock else ()
        command = [*moved, sys.executable, str(VALIDATOR)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge(self, arguments: list[str]) -> tuple[bool, str]:
        assert self._process.stdin and self._process.stdout
        print(json.dumps(arguments), file=self._process.stdin, flush=True)
        accepted, said = json.loads(self._process.stdout.readline())
        return bool(accepted), str(said)

    def close(self) -> None:
        self._process.communicate()


_PYHANKO: dict[str | None, PyhankoProcess] = {}
_PYHANKO_LOCK = threading.Lock()
# Each takes 80 MB.
MAX_PYHANKO_PROCESSES = 2


def _pyhanko(clock: str | None) -> PyhankoProcess:
    """Return the process with this clock: one that runs, or a new one in place of the one not used for longest."""
    process = _PYHANKO.pop(clock, None) or PyhankoProcess(clock)
    _PYHANKO[clock] = process
    if len(_PYHANKO) > MAX_PYHANKO_PROCESSES:
        _PYHANKO.pop(next(iter(_PYHANKO))).close()
    return process


@atexit.register
def _close_pyhanko() -> None:
    while _PYHANKO:
        _PYHANKO.popitem()[1].close()


# ---- integrity alone, of a file that need not be finished: each signature over its own bytes


def judge_integrity(file: Path, names: Sequence[str], *, closed: bool = False) -> None:
    """Check integrity by pdfsig, mutool and PDFBox. `closed`: a document timestamp covers the whole file."""
    valid = re.findall(r"Signature Field Name: (\S+)\n(?:.*\n)*?.*Signature is Valid\.", pdfsig(file))
    assert valid == list(names)
    judge_by_mutool(file, len(names))
    judge_by_pdfbox(file, [*names, TIMESTAMP] if closed else names, whole=closed)


def pdfsig(file: Path) -> str:
    return run(program("pdfsig"), "-nocert", file)


def judge_by_mutool(file: Path, count: int) -> None:
    """Judge by the lines that MuPDF prints: its exit code says nothing, and it does not count a document timestamp."""
    said = run(program("mutool"), "sign", "-v", file)
    assert said.count("Digest error") == 0, said
    assert said.count("The signature is valid") + said.count("The document is unchanged since signing") == count, said


def judge_by_pdfbox(file: Path, names: Sequence[str], *, whole: bool) -> None:
    """Check the CMS of each signature with its timestamp, and the document timestamp, by PDFBox and Bouncy Castle."""
    said = run(program("java"), "-cp", f"{pdfbox_jars()}:{pdfbox_judge()}", "PdfBoxCheck", file).splitlines()
    assert [line for line in said if line != "whole"] == [f"{name}: accepted" for name in names]
    assert ("whole" in said) or not whole


def pdfbox_jars() -> str:
    jars = [JARS / f"{name}.jar" for name in ("pdfbox2", "fontbox2", "commons-logging", "bcprov", "bcpkix", "bcutil")]
    if missing := [jar.name for jar in jars if not jar.exists()]:
        pytest.skip(f"{', '.join(missing)}: not installed (libpdfbox2-java, libbcpkix-java)")
    return ":".join(map(str, jars))


@cache
def pdfbox_judge() -> Path:
    """Compile `PdfBoxCheck.java` once. Return the folder with the class."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-pdfbox-"))
    atexit.register(shutil.rmtree, folder, True)
    run(program("javac"), "-cp", pdfbox_jars(), "-d", folder, PDFBOX_JUDGE)
    return folder
