"""Distinguish certificates for signatures from the same authority's certificates for other purposes.

The key of an encryption certificate, for example, is usually known to the authority as well. Source: RFC 5280 4.2.1.3
(key usage), 4.2.1.12 (purposes).
"""

from __future__ import annotations

from typing import Final

from asn1crypto import x509

SIGNING_USAGES: Final = {"digital_signature", "non_repudiation"}
# By their numbers: asn1crypto has names for them, but importing `asn1crypto.pdf` changes that of Adobe's.
POSSIBLE_PURPOSES: Final = {
    "2.5.29.37.0",  # any
    "1.3.6.1.5.5.7.3.4",  # e-mail
    "1.3.6.1.5.5.7.3.2",  # clients
    "1.3.6.1.4.1.311.10.3.12",  # Microsoft's document signing
    "1.2.840.113583.1.1.5",  # Adobe's authentic documents
    "1.3.6.1.5.5.7.3.36",  # documentSigning, RFC 9336
}


def is_for_signing(certificate: x509.Certificate) -> bool:
    """Return whether the certificate is for signatures: it says so, or says nothing. An authority's is not."""
    usage = certificate.key_usage_value
    may_sign = usage is None or not SIGNING_USAGES.isdisjoint(usage.native)
    return not certificate.ca and may_sign and serves_signing(certificate)


def serves_signing(certificate: x509.Certificate) -> bool:
    """Return whether signing is among the purposes that the certificate states, if it states any. An authority's
    certificate limits those below it in this way."""
    purposes = certificate.extended_key_usage_value
    return purposes is None or not POSSIBLE_PURPOSES.isdisjoint(each.dotted for each in purposes)
