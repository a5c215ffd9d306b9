"""Parse all of a certificate at once, which asn1crypto does only on access."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from asn1crypto import x509

from qianda.der_limits import check_elements

MAX_BYTES: Final = 1 << 16


def check_certificate(certificate: x509.Certificate) -> None:
    """Parse all of the certificate. Raises ValueError if any part cannot be read, or would be costly to read."""
    encoded = certificate.dump()
    if len(encoded) > MAX_BYTES:  # each bit of a key's usage becomes an object
        raise ValueError(f"a certificate of more than {MAX_BYTES >> 10} KiB")
    check_elements(encoded)
    try:
        # asn1crypto opens those that it has a name for, and leaves the others as bytes.
        opened = [each for each in certificate["tbs_certificate"]["extensions"] if not _is_unknown(each)]
        check_elements(b"".join(each["extn_value"].contents for each in opened))
        certificate.native  # noqa: B018 - parses all of it
        life = certificate.not_valid_before, certificate.not_valid_after
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("a certificate that cannot be read") from error
    if not all(isinstance(moment, datetime) for moment in life):  # the year 0 is no datetime
        raise ValueError("a certificate of the year 0")


def _is_unknown(extension: x509.Extension) -> bool:
    return str(extension["extn_id"].native)[0].isdigit()
