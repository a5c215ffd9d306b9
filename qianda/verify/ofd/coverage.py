"""Check the coverage of an OFD's signature: each member that it names matches its hash, and every member is covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from qianda import sm2
from qianda.ofd.container import OfdContainer
from qianda.ofd.signature_parts import CoveredMember, DocumentParts, SignaturePart
from qianda.verify.findings import Reason
from qianda.verify.ofd import reasons

_SM3_NAMES = frozenset({sm2.SM3_OID, "SM3"})
# The names of these files in the standard. The seal has its own check.
_SIGNATURE_FILES = frozenset({"signature.xml", "signedvalue.dat"})
MAX_NAMED = 5


def coverage_faults(container: OfdContainer, document: DocumentParts, part: SignaturePart) -> Iterator[Reason]:
    """Yield the faults in the content that this signature covers. Raises NotAnOfd for a damaged member."""
    if part.check_method.strip().upper() not in _SM3_NAMES:
        yield reasons.CHECK_METHOD.about(method=part.check_method or "-")
        return
    named = [reference.member for reference in part.references]
    seen = Counter(named)
    if doubled := {name for name in named if seen[name] > 1}:
        yield reasons.MEMBER_TWICE.about(members=_list(doubled))
    if missing := set(named) - set(container):
        yield reasons.MEMBER_MISSING.about(members=_list(missing))
    if altered := {one.member for one in part.references if one.member in container and not _same(container, one)}:
        yield reasons.MEMBER_ALTERED.about(members=_list(altered))
    if uncovered := set(container) - set(named) - _exempt(document):
        yield reasons.MEMBER_UNCOVERED.about(members=_list(uncovered))


def has_hidden_signature(container: OfdContainer, document: DocumentParts) -> bool:
    """Return whether there are files of a signature that is not in the list, and so was probably removed from it."""
    listed = _exempt(document)
    return any(name not in listed and name.rpartition("/")[2].casefold() in _SIGNATURE_FILES for name in container)


def _same(container: OfdContainer, reference: CoveredMember) -> bool:
    return container.sm3(reference.member) == reference.value


def _exempt(document: DocumentParts) -> frozenset[str]:
    """Return the members that a signature need not cover: the list of signatures, to which later ones are added, and
    the files of all listed signatures, which are protected by their own values."""
    own = (part.own_members for part in document.signatures)
    return frozenset({document.signatures_member}).union(*own)


def _list(names: set[str]) -> str:
    shown = sorted(names)[:MAX_NAMED]
    return ", ".join(shown) + (f" (+{len(names) - MAX_NAMED})" if len(names) > MAX_NAMED else "")
