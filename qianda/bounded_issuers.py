"""Read strangers' certificates, and bound the search for a path from one to an authority, before a validator gets
them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from asn1crypto import x509

# An authority may have an old and a new certificate, or one from each of two roots.
MAX_OF_ONE_NAME: Final = 2


def read_certificates(chain: Sequence[bytes]) -> list[x509.Certificate]:
    """Return the certificates. Raises ValueError for one in which a validator could not read what it compares."""
    try:
        for der in chain:
            certificate = x509.Certificate.load(der, strict=True)
            certificate.native  # noqa: B018 - parses all of it
            certificate.authority_issuer_serial  # noqa: B018 - a validator compares it; other kinds of names have none
            for name in (certificate.subject, certificate.issuer):
                name.hashable, name.human_friendly  # noqa: B018 - a validator compares the names, and says them
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError("a certificate cannot be read") from error
    return [x509.Certificate.load(der) for der in chain]


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
