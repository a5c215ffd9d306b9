"""Find the changes of each revision after the issued one. Only signatures, their evidence and timestamps may be added.

A PDF grows by revisions, each of which may replace any earlier object. New objects do no harm unless an old one refers
to them. So from the issued revision on, every reference must lead to an existing object. Only the few kinds of objects
that signing has to replace may be replaced, and only in the few entries that signing has to change (see
`revision_diff.py`). This is stricter than the usual difference analysis, which allows form fields to be filled in (some
published attacks look like that). Sources: ISO 32000-2 7.5.6, 12.7, 12.8; ETSI EN 319 142-1 5.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from qianda.pdf import NotOurForm
from qianda.verify import reasons
from qianda.verify.findings import Element, Finding
from qianda.verify.pdf.back_references import BackReferences
from qianda.verify.pdf.document import Document
from qianda.verify.pdf.revision_diff import RevisionDiff
from qianda.verify.pdf.signature_objects import NotSigning
from qianda.verify.pdf.signed_file import SignedFile


def find_changes(file: SignedFile, base: int) -> Iterator[Finding]:
    """Yield a finding for the first revision after `base` (counted from 0) that changed more than signing has to.

    Yield one for `base` itself if it refers to a missing object, which a later revision could add.
    """
    before = file.at(base)
    back_references = BackReferences(before)
    if missing := back_references.missing():
        yield _finding(base, f"object {min(missing)} is missing")
        return
    for revision in range(base + 1, len(file.revisions)):
        after, written = file.after(before, revision), list(file.revisions[revision].objects)
        try:
            _check(before, after, back_references, written)
        except (NotSigning, NotOurForm) as change:
            yield _finding(revision, str(change))
            return
        before = after


def _check(before: Document, after: Document, back_references: BackReferences, written: list[int]) -> None:
    RevisionDiff(before, after, back_references).check(written)
    back_references.advance(after, written)
    if missing := back_references.missing():
        raise NotSigning(f"object {min(missing)} is missing")


def _finding(revision: int, what: str) -> Finding:
    return Finding(Element.TEXT, reasons.REVISION_CHANGED.about(revision=revision + 1, what=what))
