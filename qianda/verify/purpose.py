"""Distinguish certificates for signatures from the same authority's certificates for other purposes.

The key of an encryption certificate, for example, is usually known to the authority as well. Source: RFC 5280 4.2.1.3
(key usage), 4.2.1.12 (purposes).
"""

from __future__ import annotations

from typing import Final

from asn1crypto import x509

SIGNING_USAGES: Final = {"digital_signature", "non_repudiation"}
POSSIBLE_PURPOSES: Final = {
    "any_extended_key_usage",
    "email_protection",
    "client_auth",
    "microsoft_document_signing",
    "adobe_authentic_documents_trust",
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
    return purposes is None or not POSSIBLE_PURPOSES.isdisjoint(purposes.native)
