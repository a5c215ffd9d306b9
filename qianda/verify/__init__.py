"""The offline verifier: it reports what a stranger can know about a finished contract from the file and a list of
trusted certificates alone.

`verify_file` checks in this process. `qianda.verify.guard.verify_guarded` checks in a child process with limits, and
should be used for a stranger's file. pyHanko is imported only when it is needed, so this package imports quickly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qianda.verify.findings import Element, Finding, Reason, UnreadableDocument, UnreadablePdf, Word

if TYPE_CHECKING:
    from qianda.verify.elements import VerificationReport
    from qianda.verify.expectation import Expectation
    from qianda.verify.trust import Trust

__all__ = ["Element", "Finding", "Reason", "UnreadableDocument", "UnreadablePdf", "Word", "verify_bytes", "verify_file"]

# The first bytes of every ZIP file, and so of every OFD.
ZIP_START = b"PK"


def verify_file(path: Path, trust: Trust, expected: Expectation | None = None) -> VerificationReport:
    """Check one PDF or OFD, and whether it is the one that was expected.

    Raises UnreadableDocument, or OSError if the file cannot be opened. Runs an event loop: call it where none is
    running.
    """
    from qianda.verify import reasons
    from qianda.verify.pdf.signed_file import MAX_FILE_BYTES

    if path.stat().st_size > MAX_FILE_BYTES:
        raise UnreadablePdf(reasons.TOO_LARGE.about(mib=MAX_FILE_BYTES >> 20))
    return verify_bytes(path.read_bytes(), trust, expected, name=path.name)


def verify_bytes(
    pdf: bytes, trust: Trust, expected: Expectation | None = None, *, name: str = ""
) -> VerificationReport:
    """Check a PDF or OFD in memory, as `verify_file` does. Raises UnreadableDocument."""
    if pdf.startswith(ZIP_START):
        from qianda.verify.ofd import verify_ofd

        return verify_ofd(pdf, trust, expected, name=name)
    from qianda.pdf import NotOurForm
    from qianda.verify.elements import (
        VerificationReport,
        altered_report,
        covered_bytes,
        judge,
        of_document,
        trust_findings,
    )
    from qianda.verify.pdf.ades import full_check
    from qianda.verify.pdf.plain_chain import is_plainly_valid
    from qianda.verify.pdf.structure import altered, examine

    try:
        structure = examine(pdf, expected.fields if expected else None)
    except NotOurForm as error:
        return altered_report(pdf, altered(error), name)
    findings = [*structure.findings, *trust_findings(structure, trust)]
    now = _moment([stamp.time for stamp in structure.times.values()])
    unsure = bool(findings) or not is_plainly_valid(structure, trust, now)
    findings += expected.findings(structure.file) if expected else []
    if structure.signatures and unsure:
        findings += full_check(pdf, [each.name for each in structure.regular], trust, now)
    parties, trial = judge(structure, findings, trust)
    return VerificationReport(
        file=name,
        sha256=hashlib.sha256(pdf).hexdigest(),
        size=len(pdf),
        contract=structure.file.contract,
        document=of_document(parties, findings),
        parties=parties,
        archived_at=structure.archived_at,
        trial=trial,
        coverage=covered_bytes(structure),
    )


def _moment(stamped: Iterable[datetime]) -> datetime:
    """Return the moment of validation: now, or the last timestamp if that clock is a little ahead of ours.

    pyHanko looks back in time from now, so this helps only plain chains.
    """
    from qianda.verify.pdf.structure import CLOCK_DIFFERENCE

    now = datetime.now(UTC)
    return max(each for each in (now, *stamped) if each <= now + CLOCK_DIFFERENCE)
