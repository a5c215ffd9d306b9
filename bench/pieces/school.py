"""A school for benches: authority, timestamps, seal, and a contract that is laid out as in the hub and signed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hub.authorities import Issued
from hub.authorities.builtin import BuiltinAuthority, make_root
from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_data import (
    CampusFacts,
    ContractData,
    CourseFacts,
    GuardianFacts,
    RefundStep,
    SchoolFacts,
    SignerFacts,
    StudentFacts,
)
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import SIGNATURE_SIZE, ContractPrinter, LaidOut
from hub.documents.fonts import ContractFont
from hub.documents.signing.engine import OwnEngine
from hub.documents.signing.signature import FieldBox, NewSignature, Prepared, embed, verified_der
from hub.documents.signing.stamps import SignerStamp, signature_stamp
from hub.settings import PACKED
from hub.timestamps.builtin import BuiltinTimestamps
from hub.tokens import SigningKey, SignsEach
from hub.tokens.softkey import SoftKey

ORGANISATION = "新航线教育集团"
GUARDIAN, GUARDIAN_NAME = "guardian-1", "陈建国"
STROKES = [[(0.1 + 0.02 * step, 0.2 + 0.6 * (step % 3) / 3) for step in range(40)]]


def utc_now() -> datetime:
    return datetime.now(UTC)


ENGINE = OwnEngine(utc_now)
# An engine that reads each file anew, whereas ENGINE keeps the plans of the files that it has just written.
FORGETFUL = OwnEngine(utc_now, plans_kept=0)


class MeteredTimestamps:
    """The built-in timestamp service in this process. `cpu_s`: its own CPU time, which in production another machine
    spends."""

    def __init__(self, service: BuiltinTimestamps) -> None:
        self.certificates = service.certificates
        self.cpu_s = 0.0
        self._service = service

    async def timestamp(self, digest: bytes) -> bytes:
        started = time.process_time()
        token = await self._service.timestamp(digest)
        self.cpu_s += time.process_time() - started
        return token

    async def respond(self, request: bytes) -> bytes:
        started = time.process_time()
        answer = await self._service.respond(request)
        self.cpu_s += time.process_time() - started
        return answer


@dataclass(frozen=True)
class RsaSoftKey(SignsEach):
    """A key of an organisation that uses an RSA certificate. Our own keys are on P-256."""

    private_key: rsa.RSAPrivateKey
    label = "seal"

    @property
    def spki(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private_key.public_key().public_bytes(serialization.Encoding.DER, form)

    async def sign(self, message: bytes) -> bytes:
        return self.private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    async def check(self) -> None:
        """Do nothing: the key is in memory."""


def private_der(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())


@dataclass(frozen=True)
class BenchSchool:
    """The school, with all keys in memory. `seal_private_key`: for peers that need the key itself."""

    authority: BuiltinAuthority
    timestamps: MeteredTimestamps
    seal_private_key: ec.EllipticCurvePrivateKey
    seal: Issued
    rsa_private_key: rsa.RSAPrivateKey
    rsa_seal: Issued
    crl: bytes

    @classmethod
    async def make(cls, clock: Callable[[], datetime] = utc_now) -> BenchSchool:
        root_key, timestamp_key = SoftKey.generate("root"), SoftKey.generate("timestamp")
        root = await make_root(root_key, clock, ORGANISATION)
        authority = BuiltinAuthority(root_key, root, clock, ORGANISATION, "https://sign.school.example")
        stamping = await authority.enrol_timestamp(timestamp_key.spki)
        timestamps = MeteredTimestamps(BuiltinTimestamps(timestamp_key, stamping.chain, clock))
        private_key = ec.generate_private_key(ec.SECP256R1())
        seal = await authority.enrol_seal(SoftKey("seal", private_key).spki, ORGANISATION)
        rsa_key = RsaSoftKey(rsa.generate_private_key(65537, 2048))
        rsa_seal = await authority.enrol_seal(rsa_key.spki, ORGANISATION)
        crl = await authority.revocation_list([])
        return cls(authority, timestamps, private_key, seal, rsa_key.private_key, rsa_seal, crl)

    @property
    def seal_key(self) -> SoftKey:
        return SoftKey("seal", self.seal_private_key)

    @property
    def certificates(self) -> list[bytes]:
        """Return the certificates that a file contains besides the signer's own chain."""
        return [self.authority.root, self.timestamps.certificates[0]]


class BenchPrinter:
    """A printer that lays contracts out as the hub does. Close it: a child process fills in the template text."""

    def __init__(self) -> None:
        self._writer = ClauseWriter()
        templates = ContractTemplates(PACKED / "templates" / "contracts")
        self._printer = ContractPrinter(templates, self._writer, ContractFont())

    def lay_out(self, number: int = 1) -> LaidOut:
        return self._printer.lay_out("course", "zh", contract_data(number))

    def close(self) -> None:
        self._writer.close()


def with_fields(laid_out: LaidOut) -> bytes:
    boxes = laid_out.boxes
    return ENGINE.with_signature_fields(
        laid_out.pdf,
        [FieldBox(box.name, box.page, box.x1, box.y1, box.x2, box.y2, box.name == "seal") for box in boxes],
    )


def issued_contract() -> bytes:
    """Return a contract with its empty fields, as it is when the guardian opens it."""
    printer = BenchPrinter()
    try:
        return with_fields(printer.lay_out())
    finally:
        printer.close()


def prepared_for_guardian(document: bytes, chain: tuple[bytes, ...]) -> Prepared:
    """Return the file prepared for the guardian's signature, with a finger drawing."""
    stamp = signature_stamp(SignerStamp(GUARDIAN_NAME, STROKES, "2026-12-01 10:30 +0800", "zh"), SIGNATURE_SIZE)
    return ENGINE.prepare(document, NewSignature(GUARDIAN, certify=True, final=False, appearance=stamp), chain)


async def embedded(
    prepared: Prepared, key: SigningKey, chain: tuple[bytes, ...], timestamps: MeteredTimestamps, signature: bytes
) -> bytes:
    """Check a holder's raw signature, timestamp it and write it into the file."""
    der = verified_der(key.spki, prepared.to_be_signed, signature)
    return await embed(prepared, chain, der, timestamps)


async def raw_signature(key: SigningKey, message: bytes) -> bytes:
    """Return r‖s in 64 bytes, as a phone sends it."""
    r, s = decode_dss_signature(await key.sign(message))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def contract_data(number: int) -> ContractData:
    steps = (("首次上课之前", 100), ("已上课时不超过总课时的三分之一", 100), ("已上课时超过三分之二", 90))
    course = CourseFacts(
        "数学素养 A",
        "数学素养与问题解决",
        40,
        45,
        date(2026, 12, 7),
        date(2027, 2, 26),
        "每周一、周三 18:30–20:00",
        "二楼 203 教室",
        16,
        "周明远",
        Decimal(2880),
        Decimal("120.50"),
        tuple(RefundStep(when, share) for when, share in steps),
    )
    return ContractData(
        number=f"HF-2026-{number:06}",
        date=date(2026, 12, 1),
        issued_at=datetime(2026, 12, 1, 2, 30, tzinfo=UTC),
        school=SchoolFacts(ORGANISATION, "91340100MA0000000G", "教民134010400000000号", "顾远舟"),
        campus=CampusFacts("合肥校区", "合肥市示范路 1 号", "0551-00000000"),
        student=StudentFacts("陈小满", "居民身份证", "*" * 14 + "0016", date(2012, 9, 1)),
        signers=(SignerFacts(GUARDIAN, "监护人", GUARDIAN_NAME),),
        guardians=(GuardianFacts(GUARDIAN_NAME, "父亲", "+86 190****0101", "居民身份证", "*" * 14 + "0019"),),
        course=course,
    )
