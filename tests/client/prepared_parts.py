"""What a hub prepares, made by hand: a file with an empty place for a signature, and the attributes to be signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asn1crypto.tsp
import asn1crypto.x509
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Objects = dict[int, bytes]
FIELD = b"/FT /Sig /T (guardian-1) /Type /Annot /Subtype /Widget /Rect [60 60 260 130] /P 3 0 R"
GAP = b"<" + b"0" * 512 + b">"


@dataclass(frozen=True)
class Prepared:
    shown: bytes
    file: bytes
    byte_range: tuple[int, int, int, int]
    to_be_signed: bytes
    certificate: bytes


def certificate_for(public_key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePrivateKey) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(_name("Li Lei")).issuer_name(_name("Small authority"))
    builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=30))
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def new_certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate_for(key.public_key(), key)


def section(written: bytes, objects: Objects, trailer: bytes = b"") -> bytes:
    """Return the file with one more revision."""
    out, table = bytearray(written), b""
    for number, body in sorted(objects.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = b"xref\n" + (b"" if trailer else b"0 1\n0000000000 65535 f \n")
    end = b"trailer\n<< /Size 7 /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (trailer, len(out))
    return bytes(out) + start + table + end


def page_content(text: bytes) -> bytes:
    drawn = b"BT /F1 18 Tf 60 760 Td (%b) Tj ET" % text
    return b"<< /Length %d >>\nstream\n%b\nendstream" % (len(drawn), drawn)


SHOWN = section(
    b"%PDF-1.7\n%\x05\x06\xe2\xe3\n",
    {
        1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] /SigFlags 3 >> >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Annots [5 0 R] >>",
        4: page_content(b"CNY 12,800.00"),
        5: b"<< %b >>" % FIELD,
    },
)


def prepared_over(shown: bytes, certificate: bytes, *, also: Objects | None = None, **attributes: Any) -> Prepared:
    """Return a prepared file over `shown`. `also`: objects that it replaces besides the signature's field."""
    previous = b"/Prev %d" % int(shown.split(b"startxref")[-1].split()[0])
    field, signature = b"<< %b /V 6 0 R >>" % FIELD, b"<< /Type /Sig /SubFilter /ETSI.CAdES.detached %b /Contents %b >>"
    unknown = b"/ByteRange [0 0000 0000 0000]"
    file = section(shown, {5: field, 6: signature % (unknown, GAP)} | (also or {}), previous)
    numbers = (file.index(GAP), file.index(GAP) + len(GAP), len(file) - file.index(GAP) - len(GAP))
    file = file.replace(unknown, (b"/ByteRange [0 %d %d %d]" % numbers).ljust(len(unknown)))
    before = file[: file.index(GAP)]
    byte_range = (0, len(before), len(before) + len(GAP), len(file) - len(before) - len(GAP))
    digest = hashlib.sha256(before + file[len(before) + len(GAP) :]).digest()
    return Prepared(shown, file, byte_range, signed_attributes(digest, certificate, **attributes), certificate)


def signed_attributes(
    digest: bytes,
    certificate: bytes,
    *,
    content_type: str = "data",
    explicit_algorithm: bool = False,
    issuer_serial: bytes | None = None,
    extra: bool = False,
) -> bytes:
    reference: dict[str, object] = {"cert_hash": hashlib.sha256(certificate).digest()}
    if explicit_algorithm:
        reference["hash_algorithm"] = {"algorithm": "sha256"}
    if issuer_serial:
        reference["issuer_serial"] = _issuer_serial(issuer_serial)
    named = asn1crypto.tsp.SigningCertificateV2({"certs": [asn1crypto.tsp.ESSCertIDv2(reference)]})
    values = [("content_type", content_type), ("message_digest", digest), ("signing_certificate_v2", named)]
    if extra:
        values.append(("signing_time", cms.Time({"utc_time": datetime(2026, 1, 1, tzinfo=UTC)})))
    return bytes(cms.CMSAttributes([cms.CMSAttribute({"type": t, "values": [v]}) for t, v in values]).dump())


def _issuer_serial(certificate: bytes) -> dict[str, object]:
    parsed = asn1crypto.x509.Certificate.load(certificate)
    issuer = asn1crypto.x509.GeneralName("directory_name", parsed.issuer)
    return {"issuer": [issuer], "serial_number": parsed.serial_number}


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
