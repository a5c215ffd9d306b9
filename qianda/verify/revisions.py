"""What each revision after the first signature changed; only signatures, their evidence and timestamps may be added.

A PDF grows by revisions, each of which may replace any object of those before it. New objects do no harm unless an old
one refers to them, so every reference must lead to an object from the issued revision on, and of every replaced object
the few kinds that signing has to touch may change in the few entries that it has to touch (`qianda.verify.step`). This
is stricter than the usual difference analysis, which lets form fields be filled in (some published attacks pass as
that). Sources: ISO 32000-2 7.5.6, 12.7, 12.8; ETSI EN 319 142-1 5.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyhanko.pdf_utils.xref import XRefSectionType

from qianda.verify import reasons
from qianda.verify.findings import Element, Finding
from qianda.verify.mentions import Mentions
from qianda.verify.objects import same
from qianda.verify.signed_file import SignedFile
from qianda.verify.signing import NotSigning
from qianda.verify.step import Step

_ROW = re.compile(rb"\d{10} \d{5} n")


def changes_beyond_signatures(file: SignedFile, base: int) -> Iterator[Finding]:
    """One finding for each revision after `base` (counted from 0) that changed more than signing has to.

    Also one for `base` itself when it leaves room for changes that would not show: references to what is not there,
    a table that readers could understand differently.
    """
    try:
        for revision in range(file.revisions):
            _check_table(file, revision)
        mentions = Mentions(file, base)
        _check_missing(mentions)
    except NotSigning as change:
        yield _finding(base, change)
        return
    for revision in range(base + 1, file.revisions):
        try:
            _check_revision(file, mentions)
        except NotSigning as change:
            yield _finding(revision, change)
        if mentions.revision < revision:
            mentions.advance()


def _finding(revision: int, change: NotSigning) -> Finding:
    return Finding(Element.TEXT, reasons.REVISION_CHANGED.about(revision=revision + 1, what=str(change)))


def _check_table(file: SignedFile, revision: int) -> None:
    """One plain entry for each object: entries that are doubled, freed or of a later generation are read variously."""
    section, table = file.reader.xrefs.get_xref_container_info(revision), file.reader.xrefs.get_xref_data(revision)
    if section.xref_section_type != XRefSectionType.STANDARD or table.freed or any(table.higher_generation_refs()):
        raise NotSigning("the table of objects")
    rows = file.pdf[section.start_location : file.pdf.find(b"trailer", section.start_location)]
    if len(_ROW.findall(rows)) != len(table.standard_xrefs):
        raise NotSigning("the table of objects")


def _check_missing(mentions: Mentions) -> None:
    missing = mentions.missing()
    if missing:
        raise NotSigning(f"object {min(at.idnum for at in missing)} is missing")


def _check_revision(file: SignedFile, mentions: Mentions) -> None:
    before, after = file.at(mentions.revision), file.at(mentions.revision + 1)
    written = file.reader.xrefs.explicit_refs_in_revision(mentions.revision + 1)
    replaced = [(at, before.read(at), after.read(at)) for at in written if at in mentions.live]
    changed = [(at, old, new) for at, old, new in replaced if not same(old, new)]
    Step(before, after, mentions).check(changed)
    mentions.advance()
    _check_missing(mentions)
