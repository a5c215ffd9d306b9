"""Read strangers' certificates, so that a validator can read whatever it compares in them."""

from __future__ import annotations

from collections.abc import Sequence

from asn1crypto import x509


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
