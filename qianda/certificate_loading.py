"""Load certificates and lists of revoked ones (X.509, RFC 5280).

`cryptography` has an error of its own, which is no ValueError, for a version that does not exist. Whoever catches
ValueError for bytes that cannot be read means this one, too. So nothing else calls its functions.
"""

from __future__ import annotations

from cryptography import x509


def load_certificate(der: bytes) -> x509.Certificate:
    """Return a certificate. Raises ValueError for bytes that are none."""
    try:
        return x509.load_der_x509_certificate(der)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error


def load_pem_certificates(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM file. Raises ValueError for a file without one, or with one that is damaged."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error


def load_revocation_list(der: bytes) -> x509.CertificateRevocationList:
    """Return a list. Raises ValueError for bytes that are none."""
    try:
        return x509.load_der_x509_crl(der)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error
