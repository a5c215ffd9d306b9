"""An SM2 authority, an organisation with its seal, and a person: keys in software, certificates that are real."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import pem, x509

from hub.authorities.sm2 import Sm2Authority, make_sm2_root
from hub.documents.ofd.places import StampPlace
from hub.documents.ofd.seal import NewSeal, SealPicture, finish_seal, seal_info
from hub.documents.ofd.sign import prepare_seal
from hub.tokens.sm2_softkey import Sm2SoftKey
from qianda.trust_marks import TRIAL_POLICY_OID
from qianda.verify.trust import Trust

ORGANISATION = "示范学校"
MADE_AT = datetime(2026, 11, 27, 1, tzinfo=UTC)
USED_AT = MADE_AT + timedelta(hours=1)
PLACE = StampPlace("1", (120, 220, 40, 40))


@dataclass(frozen=True)
class Identities:
    """Who seals and signs. `seal` is the SESeal in DER, `new_seal` what it was made from."""

    authority: Sm2Authority
    maker_key: Sm2SoftKey
    seal_key: Sm2SoftKey
    seal_certificate: bytes
    new_seal: NewSeal
    seal: bytes
    signer_key: Sm2SoftKey
    signer_certificate: bytes

    @classmethod
    async def make(cls, clock: Callable[[], datetime] = lambda: MADE_AT) -> Identities:
        root_key, maker, sealing, person = map(Sm2SoftKey.generate, ("root", "maker", "seal", "person"))
        root = await make_sm2_root(root_key, clock, ORGANISATION)
        authority = Sm2Authority(root_key, root, clock, ORGANISATION)
        certificate = await authority.issue_seal(sealing.spki, ORGANISATION)
        new = NewSeal(
            number="QD-0001",
            name=f"{ORGANISATION}合同专用章",
            picture=SealPicture(red_square(), 40, 40),
            certificates=(certificate,),
            valid_from=clock() - timedelta(minutes=1),
            valid_until=clock() + timedelta(days=365),
            maker=await authority.issue_seal_maker(maker.spki, "Seal maker"),
        )
        info = seal_info(new)
        seal = finish_seal(new, info, await maker.sign(info))
        signer = await issue_person(authority, root_key, person.spki)
        return cls(authority, maker, sealing, certificate, new, seal, person, signer)

    @property
    def trust(self) -> Trust:
        return Trust(authorities=(x509.Certificate.load(self.authority.root),))

    def write_trust(self, path: Path) -> Path:
        path.write_bytes(pem.armor("CERTIFICATE", self.authority.root))
        return path

    async def sealed(self, ofd: bytes, at: datetime | None = None, timestamp: bytes | None = None) -> bytes:
        prepared = prepare_seal(ofd, self.seal, self.seal_certificate, at or USED_AT, [PLACE])
        return prepared.finish(await self.seal_key.sign(prepared.to_be_signed), timestamp)


async def issue_person(authority: Sm2Authority, key: Sm2SoftKey, spki: bytes) -> bytes:
    """Return the certificate (DER) of a person, which the authority itself does not issue."""
    certificate = x509.Certificate.load(await authority.issue_seal(spki, "王小明"))
    body = certificate["tbs_certificate"]
    for extension in body["extensions"]:
        if extension["extn_id"].native == "certificate_policies":
            extension["extn_value"] = [{"policy_identifier": TRIAL_POLICY_OID}]
    certificate["signature_value"] = await key.sign(body.dump(force=True))
    return bytes(certificate.dump(force=True))


def red_square(side: int = 8) -> bytes:
    """Return a PNG of one colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    rows = (b"\0" + b"\xc8\x10\x2e" * side) * side
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data
