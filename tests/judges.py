"""Programs that nobody here wrote judge a finished contract: pdfsig, qpdf, OpenSSL, pyHanko (long-term)."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from asn1crypto import cms
from pyhanko.pdf_utils.reader import PdfFileReader

VALIDATOR = Path(__file__).parent / "documents" / "validate_offline.py"
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
    """All of them. `trust` (PEM): the authority's root and the pinned timestamp certificate; `names`: the fields."""
    judge_by_pdfsig(file, names)
    judge_by_qpdf(file)
    judge_by_openssl(file, trust)
    judge_by_pyhanko(file, trust, names, clock)


def judge_by_pdfsig(file: Path, names: Sequence[str]) -> None:
    """ "Signature is Valid" for each, "Total document signed" for the last, which is the document timestamp."""
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
    """`cms -verify` for each signature, `ts -verify` for the document timestamp, each over its own byte range."""
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
    """B-LTA with the timestamp authority pinned; `clock` as faketime takes it, like `+400d`."""
    moved = (program("faketime"), "-f", clock) if clock else ()
    said = run(*moved, sys.executable, VALIDATOR, file, trust, *names)
    assert said.splitlines() == [f"{name}: accepted" for name in names]
