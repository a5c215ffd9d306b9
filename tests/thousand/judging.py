"""The judges, each for one file; PDFBox for many in one JVM."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.trust import Trust
from tests import judges
from tests.documents import validate_offline
from tests.thousand.making import MadeContract

Judge = Callable[[Path, MadeContract], None]


def by_pyhanko(trust: Path, made: MadeContract) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert asyncio.run(validate_offline.main(made.path, trust, list(made.fields))), said.getvalue()


def by_us(trust: Path, made: MadeContract) -> None:
    report = verify_bytes(made.path.read_bytes(), Trust.load([trust]), Expectation(made.fields))
    assert not report.failed


def by_pdfsig(_trust: Path, made: MadeContract) -> None:
    judges.judge_by_pdfsig(made.path, made.fields)


def by_mutool(_trust: Path, made: MadeContract) -> None:
    judges.judge_by_mutool(made.path, len(made.fields))


def by_openssl(trust: Path, made: MadeContract) -> None:
    with tempfile.TemporaryDirectory() as folder:  # it writes what it has to check beside the file
        copy = Path(folder) / made.path.name
        copy.write_bytes(made.path.read_bytes())
        judges.judge_by_openssl(copy, trust)


def by_pdfbox(contracts: Sequence[MadeContract]) -> list[str]:
    """Judge many files in one JVM. Return what was refused."""
    classes = f"{judges.pdfbox_jars()}:{judges.pdfbox_judge()}"
    said = judges.run("java", "-cp", classes, "PdfBoxCheck", *(each.path for each in contracts)).splitlines()
    wanted = {
        f"{each.path}\t{line}"
        for each in contracts
        for line in (*(f"{field}: accepted" for field in (*each.fields, judges.TIMESTAMP)), "whole")
    }
    return sorted(wanted - set(said))


def judge_all(judge: Judge, trusted: Sequence[tuple[Path, MadeContract]]) -> list[str]:
    """Have one judge look at these files. Return what was refused, with the first words of the reason."""
    logging.disable(logging.CRITICAL)  # a validator warns of each step back in time
    refused = []
    for trust, made in trusted:
        try:
            judge(trust, made)
        except Exception as error:  # whatever a judge says or breaks with is a refusal
            refused.append(f"{made.path.name}: {type(error).__name__} {str(error)[:200]}")
    return refused
