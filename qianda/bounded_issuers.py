"""Bound the search for a path from a stranger's certificate to an authority, before a validator gets the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from asn1crypto import x509

# An authority may have an old and a new certificate, or one from each of two roots.
MAX_OF_ONE_NAME: Final = 2


def bound_issuers(certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return the certificates in their order, each once, and of each subject only the first MAX_OF_ONE_NAME.

    A validator finds issuers by their names, and tries certificates of one name in every order: nine of them would keep
    it busy for minutes.
    """
    counted: Counter[str] = Counter()
    kept = []
    for each in {each.dump(): each for each in certificates}.values():
        counted[each.subject.hashable] += 1
        if counted[each.subject.hashable] <= MAX_OF_ONE_NAME:
            kept.append(each)
    return kept
