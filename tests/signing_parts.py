"""Builds finished contract PDFs with soft keys, for every test that needs one. Nothing in them is simulated.

parts = await finished_contract(tmp_path, signers=("guardian-1", "student-1"))
parts.final              # the finished file; parts.revisions has the earlier ones, by name
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from asn1crypto import pem, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hub.authorities import Issued, Revoked
from hub.authorities.builtin import BuiltinAuthority, make_root
from hub.documents.signing.engine import PdfEngine
from hub.documents.signing.signature import FieldBox, NewSignature, embed, verified_der
from hub.timestamps.builtin import BuiltinTimestamps
from hub.tokens import SigningKey
from hub.tokens.softkey import SoftKey
from qianda.passkey_binding import PasskeyBinding
from tests.pdf_steps import OWN, close, prepare, with_signature_fields, with_validation_data

ORGANISATION = "示范学校"
ORIGIN = "https://sign.school.example"
SEAL = "seal"
Clock = Callable[[], datetime]
Confirm = Callable[[bytes], bytes]


def utc_now() -> datetime:
    return datetime.now(UTC)


class RsaKey:
    """A signer's RSA key, such as many USB tokens have."""

    def __init__(self, _name: str) -> None:
        self._private_key = rsa.generate_private_key(65537, 2048)
        self.spki = self._private_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    async def sign(self, message: bytes) -> bytes:
        return self._private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())


@dataclass(frozen=True)
class Pki:
    """A built-in authority with its timestamp authority and the school's seal, all with soft keys."""

    authority: BuiltinAuthority
    timestamps: BuiltinTimestamps
    seal_key: SoftKey
    seal: Issued
    clock: Clock

    @classmethod
    async def make(cls, clock: Clock = utc_now, organisation: str = ORGANISATION) -> Pki:
        root_key, timestamp_key, seal_key = (SoftKey.generate(name) for name in ("root", "tsa", SEAL))
        root = await make_root(root_key, clock, organisation)
        authority = BuiltinAuthority(root_key, root, clock, organisation, ORIGIN)
        timestamp_certificate = await authority.enrol_timestamp(timestamp_key.spki)
        timestamps = BuiltinTimestamps(timestamp_key, timestamp_certificate.chain, clock)
        return cls(authority, timestamps, seal_key, await authority.enrol_seal(seal_key.spki, organisation), clock)

    def write_trust(self, path: Path) -> Path:
        """Write root and timestamp certificate into one PEM file, as `verify --trust` takes it. Return its path."""
        certificates = (self.authority.root, self.timestamps.certificates[0])
        path.write_bytes(b"".join(pem.armor("CERTIFICATE", der) for der in certificates))
        return path


async def expired_timestamps(pki: Pki) -> BuiltinTimestamps:
    """Return a timestamp service of this authority that goes on after the ten years of its certificate."""
    then = BuiltinAuthority(
        pki.authority._key, pki.authority.root, lambda: pki.clock() - timedelta(days=3655), ORGANISATION, ORIGIN
    )
    key = SoftKey.generate("tsa")
    return BuiltinTimestamps(key, (await then.enrol_timestamp(key.spki)).chain, pki.clock)


@dataclass(frozen=True)
class FinishedParts:
    """A finished contract. `revisions`: "unsigned", then per signer "NAME-signed" and "NAME-validated", "seal-signed",
    "final"."""

    final: bytes
    revisions: dict[str, bytes]
    trust_pem: Path
    pki: Pki
    signers: dict[str, Issued]
    signer_keys: dict[str, SoftKey | RsaKey] = field(default_factory=dict)


async def finished_contract(
    folder: Path,
    *,
    signers: Sequence[str] = ("guardian-1",),
    names: Sequence[str] = ("王小明", "李雷", "Anna Müller"),
    pki: Pki | None = None,
    document: bytes | None = None,
    boxes: Sequence[FieldBox] | None = None,
    appearances: dict[str, bytes] | None = None,
    confirmed: Mapping[str, Confirm] | None = None,
    bindings: Mapping[str, PasskeyBinding] | None = None,
    make_key: Callable[[str], SoftKey | RsaKey] = SoftKey.generate,
    expired: bool = False,
    revoked: Sequence[str] = (),
    with_seal: bool = True,
    closed: bool = True,
    engine: PdfEngine = OWN,
) -> FinishedParts:
    """Make a contract signed by `signers` in this order, sealed and closed (PAdES B-LTA).

    `expired`: the certificate of the first signer had expired a day before it was used. `revoked`: signers whose
    certificates are in the CRL. `with_seal` and `closed`: if False, leave the last steps out. `confirmed`: functions
    that make a passkey's confirmation from the signed attributes; it is stored with the signer's signature. `bindings`:
    the passkeys that signers' certificates name. `engine`: what writes the file. `boxes`: its fields.
    """
    pki, shown, fields = pki or await Pki.make(), appearances or {}, boxes or boxes_for(signers)
    revisions = {"unsigned": with_signature_fields(document or sample_pdf(), fields, engine=engine)}
    keys, put = {name: make_key(name) for name in signers}, partial(sign, pki=pki, engine=engine)
    issued: dict[str, Issued] = {}
    current = revisions["unsigned"]
    for number, name in enumerate(signers):
        authority = _a_month_ago(pki) if expired and number == 0 else pki.authority
        spki, passkey = keys[name].spki, (bindings or {}).get(name)
        issued[name] = await authority.enrol(spki, names[number % len(names)], f"P{number}", passkey=passkey)
        confirm, chain, first = (confirmed or {}).get(name), issued[name].chain, number == 0
        current = await put(
            current, name, keys[name], chain, certify=first, appearance=shown.get(name), confirm=confirm
        )
        revisions[f"{name}-signed"] = current
        crl = await _crl(pki, issued, revoked)
        current = with_validation_data(current, name, pki_certificates(pki), [crl], engine=engine)
        revisions[f"{name}-validated"] = current
    if with_seal:
        current = await put(current, SEAL, pki.seal_key, pki.seal.chain, final=True, appearance=shown.get(SEAL))
        revisions["seal-signed"] = current
    if closed:
        crl = await _crl(pki, issued, revoked)
        current = await close(current, pki.timestamps, pki_certificates(pki), [crl], engine=engine)
    revisions["final"] = current
    return FinishedParts(current, revisions, pki.write_trust(folder / "trust.pem"), pki, issued, keys)


async def sign(
    document: bytes,
    name: str,
    key: SigningKey | RsaKey,
    chain: Sequence[bytes],
    pki: Pki,
    *,
    certify: bool = False,
    final: bool = False,
    appearance: bytes | None = None,
    confirm: Confirm | None = None,
    engine: PdfEngine = OWN,
) -> bytes:
    """Make one signature: prepare, sign as a phone does (raw r‖s), verify, timestamp, embed. Return the file."""
    signature = NewSignature(name, certify=certify, final=final, appearance=appearance)
    prepared = await prepare(document, signature, chain, engine=engine)
    der = verified_der(key.spki, prepared.to_be_signed, await raw_signature(key, prepared.to_be_signed))
    return await embed(prepared, chain, der, pki.timestamps, confirm(prepared.to_be_signed) if confirm else None)


async def raw_signature(key: SigningKey | RsaKey, message: bytes) -> bytes:
    """Return r‖s in 64 bytes, as WebCrypto returns it; an RSA signature as it is."""
    if isinstance(key, RsaKey):
        return await key.sign(message)
    r, s = decode_dss_signature(await key.sign(message))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def boxes_for(signers: Sequence[str]) -> list[FieldBox]:
    boxes = [FieldBox(name, 0, 60 + 170 * n, 60, 210 + 170 * n, 120) for n, name in enumerate(signers)]
    return [*boxes, FieldBox(SEAL, 0, 430, 150, 550, 270, seal=True)]


def pki_certificates(pki: Pki) -> list[bytes]:
    return [pki.authority.root, pki.timestamps.certificates[0]]


def sample_pdf(text: str = "Course contract, amount CNY 12,800.00") -> bytes:
    """Return a one-page PDF to sign. Any PDF without fields will do."""
    content = b"BT /F1 18 Tf 60 760 Td (%b) Tj ET" % text.encode("ascii")
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table_at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, table_at)
    return bytes(out)


def with_broken_extension(certificate: bytes, name: str) -> bytes:
    """Return the certificate (DER) with an extension of the wrong type. Its own signature is wrong as well."""
    extensions = x509.Certificate.load(certificate)["tbs_certificate"]["extensions"]
    value = next(one for one in extensions if one["extn_id"].native == name)["extn_value"].contents
    assert certificate.count(value) == 1
    return certificate.replace(value, b"\x05" + value[1:])


def _a_month_ago(pki: Pki) -> BuiltinAuthority:
    """Return the same authority as it was 31 days ago: what it issued for 30 days has expired."""
    now = pki.authority
    return BuiltinAuthority(now._key, now.root, lambda: pki.clock() - timedelta(days=31), ORGANISATION, ORIGIN)


async def _crl(pki: Pki, issued: dict[str, Issued], revoked: Sequence[str]) -> bytes:
    entries = [
        Revoked(issued[name].serial, pki.clock() - timedelta(minutes=1), "key_compromise")
        for name in revoked
        if name in issued
    ]
    return await pki.authority.revocation_list(entries)
