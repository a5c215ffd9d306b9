"""Say what a certificate shows."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID


def is_authority(certificate: x509.Certificate) -> bool:
    """Return whether the certificate may issue others. Raises ValueError if its extensions cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def common_name(name: x509.Name) -> str:
    """Return the common name, or the whole name if it has none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
