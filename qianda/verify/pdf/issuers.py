"""Correct pyHanko (certvalidator 0.3x) in two points.

It tries every path from a certificate to an authority. Nine certificates of one name, or two of each of fifteen names,
would keep it busy for minutes.

It does not find the revocation lists of authorities that are not roots.

A list is judged by the path to its signer. The path at hand may *begin* with this authority, either because it is the
trusted one, or because pyHanko cuts the path off there when it looks back in time (in
`_find_revinfo_data_for_leaf_in_past`). Then `ValidationPath.truncate_to_issuer_and_append` looks for the authority
above it, finds none, and the list is dropped; as soon as the lists in the file have expired, the signature counts as
REVOCATION_OUT_OF_BOUNDS_NO_POE. For a root, pyHanko returns the right result: the path is the authority itself. This is
also right for any other authority at the beginning of a path, because it leads to the same trust anchor, as RFC 5280,
6.3.3 (f) requires.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from weakref import WeakKeyDictionary

from asn1crypto import x509
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustAnchor
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.registry import CertificateRegistry, TrustManager

# For one signature. An honest file needs about five.
MAX_ISSUERS_TRIED: Final = 200
_tried = WeakKeyDictionary[CertificateRegistry, int]()
_find_as_shipped = CertificateRegistry.find_potential_issuers
_truncate_as_shipped = ValidationPath.truncate_to_issuer_and_append


def _to_issuer(self: ValidationPath, cert: x509.Certificate) -> ValidationPath:
    anchor = self.trust_anchor
    if isinstance(anchor, CertTrustAnchor) and anchor.certificate.dump() == cert.dump():
        return ValidationPath(anchor, interm=[], leaf=None)
    path: ValidationPath = _truncate_as_shipped(self, cert)
    return path


def _find_few(
    self: CertificateRegistry, cert: x509.Certificate, trust_manager: TrustManager
) -> Iterator[TrustAnchor | x509.Certificate]:
    for issuer in _find_as_shipped(self, cert, trust_manager):
        _tried[self] = _tried.get(self, 0) + 1
        if _tried[self] > MAX_ISSUERS_TRIED:
            return
        yield issuer


def patch_pyhanko() -> None:
    """Correct pyHanko in this process. A second call changes nothing."""
    CertificateRegistry.find_potential_issuers = _find_few  # type: ignore[method-assign]
    ValidationPath.truncate_to_issuer_and_append = _to_issuer  # type: ignore[method-assign]
