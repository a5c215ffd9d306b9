"""A certificate is read as a whole, in little time, or refused: every fault of it is a ValueError."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asn1crypto import core, x509

from qianda import der
from qianda.der_limits import MAX_DEPTH
from qianda.verify.whole_certificate import MAX_BYTES, check_certificate
from tests.ofd.identities import Identities


def extended(certificate: x509.Certificate, name: str, value: bytes) -> x509.Certificate:
    """Return the certificate with one more extension. Its own signature is wrong."""
    extension = {"extn_id": name, "critical": False, "extn_value": core.ParsableOctetString(value)}
    certificate["tbs_certificate"]["extensions"].append(extension)
    return x509.Certificate.load(certificate.dump(force=True))


def nested(certificate: x509.Certificate) -> x509.Certificate:
    other = b"\5\0"
    for _ in range(2 * MAX_DEPTH):
        other = der.encode(der.SEQUENCE, other)
    name = der.encode(0xA0, der.encode(der.OID, b"\x2a\x03") + der.encode(0xA0, other))
    return extended(certificate, "subject_alt_name", der.encode(der.SEQUENCE, name))


def of_the_year_0(certificate: x509.Certificate) -> x509.Certificate:
    moment = core.GeneralizedTime()
    moment.contents = b"00000101000000Z"
    certificate["tbs_certificate"]["validity"]["not_before"] = x509.Time(name="general_time", value=moment)
    return x509.Certificate.load(certificate.dump(force=True))


def large(certificate: x509.Certificate) -> x509.Certificate:
    return extended(certificate, "1.2.3.4", bytes(MAX_BYTES))


def broken(certificate: x509.Certificate) -> x509.Certificate:
    return extended(certificate, "extended_key_usage", b"\5\0")


@pytest.mark.parametrize("spoil", [nested, of_the_year_0, large, broken])
def test_a_certificate_that_cannot_be_read_or_is_costly(
    who: Identities, spoil: Callable[[x509.Certificate], x509.Certificate]
) -> None:
    certificate = x509.Certificate.load(who.signer_certificate)
    check_certificate(certificate)
    with pytest.raises(ValueError, match=r"certificate|ASN\.1|parsing"):
        check_certificate(spoil(certificate))


def test_what_an_unknown_extension_holds_is_not_read(who: Identities) -> None:
    """Some makers put text of their own there."""
    text = b"\x88\xff" * 300
    check_certificate(extended(x509.Certificate.load(who.signer_certificate), "1.2.156.10260.4.9", text))
