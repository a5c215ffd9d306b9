"""Serve the demo for a phone in the same network: HTTPS with its own certificate on a private address.

Browsers offer WebCrypto over plain HTTP only on the machine itself. So the demo makes a small authority, and a
certificate for its address. The browser warns once, unless the authority is installed on the phone. The authority can
certify only private addresses (RFC 5280, 4.2.1.10), so a thief of its key could impersonate no other site.
"""

from __future__ import annotations

import io
import ssl
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.demo.guard import LAN, lan_address, own_origin
from hub.durable_files import write_durably
from hub.settings import Settings
from qianda.certificate_loading import load_pem_certificates

if TYPE_CHECKING:  # imported when a code is shown
    import qrcode

AUTHORITY_LIFE = timedelta(days=5 * 365)
SERVER_LIFE = timedelta(days=300)  # iOS accepts at most 398 days
RENEWED_BEFORE = timedelta(days=30)
LATE_CLOCKS = timedelta(days=1)
# The only DNS name that the authority may certify. Nobody can own it (RFC 6761).
NO_NAME = "nothing.invalid"
# Colours for a QR code that looks the same on dark and light terminals. The printed blocks are its light modules.
INK_ON_PAPER = "\x1b[38;5;255m\x1b[48;5;232m{}\x1b[0m"


def at_its_own_address(settings: Settings) -> Settings:
    """Return the settings with the origin of a demo on a private address.

    A configured origin stays, so that `check_demo` can refuse it.
    """
    if settings.origin or lan_address(settings.host) is None:
        return settings
    return settings.model_copy(update={"origin": own_origin(settings)})


def authority_file(data: Path) -> Path:
    """Return the path of the authority's certificate (PEM). It exists once the demo has had a private address."""
    return data / "demo" / "lan" / "authority.crt"


def server_context(folder: Path) -> ssl.SSLContext:
    """Return the context for the web server. `folder` is what `make_certificates` returned."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


def make_certificates(settings: Settings, now: datetime) -> Path | None:
    """Return the folder with authority and server certificate for this address. They are made or renewed if necessary.

    The authority stays the same, for the phones on which it is installed. None on the machine's own address, which
    needs no certificate.
    """
    if lan_address(settings.host) is None:
        return None
    folder = authority_file(settings.data).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, key = _authority(folder, now)
    server = folder / "server.crt"
    if not (server.exists() and _serves(server.read_bytes(), authority, settings.host, now)):
        _make_server(folder, settings.host, authority, key, now)
    return folder


def how_to_try(origin: str) -> str:
    """Return the demo's text on how to open it from a phone in the same network."""
    return f"""
{code_on_terminal(f"{origin}/")}

  From a phone in the same network:
  1. Scan this code. The browser warns once, because the demo made its certificate itself. Go on:
     iPhone: Show Details, then "visit this website".   Android: Advanced, then Proceed.
     To have no warning at all, install {origin}/demo/authority.crt
     on the phone: it vouches for private addresses only. Remove it when you are done.
  2. On this computer: enter the staff console, issue a contract, show its QR code, and scan that with the phone.
     The codes that are sent to the signer arrive at the pretend phone.
"""


def code_on_terminal(text: str) -> str:
    """Return a QR code for the terminal, two modules in each character. Inverted: printed blocks are light modules."""
    import qrcode

    code: qrcode.QRCode[Any] = qrcode.QRCode(border=2)
    code.add_data(text)
    drawn = io.StringIO()
    code.print_ascii(drawn, invert=True)
    return "\n".join(INK_ON_PAPER.format(line) for line in drawn.getvalue().splitlines() if line.strip("\xa0 "))


# ---- certificates


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate, key = folder / "authority.crt", folder / "authority.key"
    if certificate.exists() and key.exists():
        (found,) = load_pem_certificates(certificate.read_bytes())
        if found.not_valid_after_utc > now + SERVER_LIFE:
            return found, _read_key(key)
    fresh = _new_key(key)
    made = _made_authority(fresh, now)
    write_durably(certificate, _pem(made))
    return made, fresh


def _made_authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("Qianda demo, for private addresses only")
    addresses: list[x509.GeneralName] = [x509.IPAddress(network) for network in LAN]
    return (
        _begun(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([*addresses, x509.DNSName(NO_NAME)], None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _make_server(
    folder: Path, host: str, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    own = _new_key(folder / "server.key")
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    made = (
        _begun(_name(f"Qianda demo {host}"), authority.subject, own.public_key(), now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )
    write_durably(folder / "server.crt", _pem(made))


def _serves(pem: bytes, authority: x509.Certificate, host: str, now: datetime) -> bool:
    (found,) = load_pem_certificates(pem)
    addresses = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if ip_address(host) not in addresses.get_values_for_type(x509.IPAddress):
        return False
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):  # it is from an earlier authority
        return False
    return found.not_valid_after_utc > now + RENEWED_BEFORE


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - LATE_CLOCKS, now + life
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    write_durably(path, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return key


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
