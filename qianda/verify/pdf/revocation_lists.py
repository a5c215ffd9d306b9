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

from qianda.certificate_loading import load_certificate, load_revocation_list
from qianda.pdf import NotOurForm, Value
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.unpacking import unpacked


def listed_until(
    file: SignedFile, certificate: asn1_x509.Certificate, authorities: Iterable[asn1_x509.Certificate]
) -> datetime | None:
    """Return the time of the newest list that one of `authorities` made and that could name this certificate. None: the
    file contains no readable one, for example because the authority answers by OCSP."""
    try:
        issuers = [load_certificate(one.dump()) for one in authorities if one.subject == certificate.issuer]
        lists = list(_lists(file)) if issuers else []
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
