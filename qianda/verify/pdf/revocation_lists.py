"""Find until when it is known that a certificate was not revoked: the time of the newest list of its authority in the
file.

A list is believed until the time that it states for the next one (RFC 5280 5.1.2.5). It does not contain certificates
that were revoked after it was made, for example because a key was stolen the day before it signed. So a reader should
see how old it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from qianda.certificate_loading import load_certificate, load_revocation_list
from qianda.pdf import NotOurForm, Value
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.unpacking import unpacked


def listed_until(
    file: SignedFile, certificate: asn1_x509.Certificate, authorities: Iterable[asn1_x509.Certificate]
) -> datetime | None:
    """Return the time of the newest list that one of `authorities` made and that would name this certificate. None: the
    file contains no readable one, for example because the authority answers by OCSP."""
    try:
        issuers = [load_certificate(one.dump()) for one in authorities if one.subject == certificate.issuer]
        holder = load_certificate(certificate.dump())
        lists = [one for one in _lists(file) if _is_full(one, holder)] if issuers else []
        made = [one.last_update_utc for one in lists if any(_made_by(one, each) for each in issuers)]
    except (NotOurForm, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return max(made, default=None)


def _lists(file: SignedFile) -> Iterator[x509.CertificateRevocationList]:
    for stream in streams_of(file):
        if (data := unpacked(stream)) is not None:
            yield load_revocation_list(data)


def streams_of(file: SignedFile) -> Iterable[Value]:
    """Return the streams of revocation lists in the file, each once, however often the file names it."""
    store = file.now.dictionary(file.now.root, "/DSS")
    return {id(one): one for one in file.now.items(store, "/CRLs")}.values()


def _made_by(one: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    return one.issuer == issuer.subject and one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]


def _is_full(one: x509.CertificateRevocationList, holder: x509.Certificate) -> bool:
    """Return whether the list names each certificate of a kind and place like this one, for whatever reason it was
    revoked (RFC 5280, 5.2.4 and 5.2.5)."""
    parts = {each.oid: each.value for each in one.extensions}
    limits = parts.get(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
    if ExtensionOID.DELTA_CRL_INDICATOR in parts or not isinstance(limits, x509.IssuingDistributionPoint | None):
        return False
    if limits is None:
        return True
    if limits.only_contains_ca_certs or limits.only_contains_attribute_certs or limits.only_some_reasons:
        return False
    stated = [each.value for each in holder.extensions if each.oid == ExtensionOID.CRL_DISTRIBUTION_POINTS]
    places = {name for points in stated for point in points for name in point.full_name or ()}
    return limits.full_name is None or not places.isdisjoint(limits.full_name)
