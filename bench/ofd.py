"""Measure seals of OFD files (GB/T 38540, SM2 in software) in one process, on 4 KB and on 700 KB, compared with one
bare SM2 signature; also measure the check of a sealed file, and writing a contract as OFD."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import x509

from bench.pieces.school import issued_contract
from bench.pieces.trials import Ledger, Work, interleaved, typical
from bench.results import Result
from hub.authorities.sm2 import Sm2Authority, make_sm2_root
from hub.documents.ofd.package import write_package
from hub.documents.ofd.places import StampPlace
from hub.documents.ofd.seal import NewSeal, SealPicture, finish_seal, seal_info
from hub.documents.ofd.sign import prepare_seal
from hub.documents.ofd.write import OfdFacts, write_ofd
from hub.tokens.sm2_softkey import Sm2SoftKey
from qianda.ofd.xml_part import NAMESPACE
from qianda.verify import verify_bytes
from qianda.verify.trust import Trust

ROUNDS = 60
ORGANISATION = "示范学校"
SIZES = {"4kb": 4_000, "700kb": 700_000}
PLACE = StampPlace("1", (120, 200, 40, 40))
_PICTURE_BYTES = 2_000  # of the seal itself, which each file contains twice
_NAMESPACE = f'xmlns:ofd="{NAMESPACE}"'


def run(rounds: int) -> Result:
    ledger = asyncio.run(_measured(rounds))
    figures = {f"seals_per_s_{size}": 1 / typical(ledger, f"seal_{size}") for size in SIZES}
    figures |= {f"ratio_sm2_{size}": typical(ledger, f"seal_{size}") / typical(ledger, "bare_sm2") for size in SIZES}
    figures["bare_sm2_per_s"] = 1 / typical(ledger, "bare_sm2")
    figures |= {f"{work}_ms": typical(ledger, work) * 1000 for work in ("verify_4kb", "verify_700kb", "write_contract")}
    return Result("ofd", figures, ledger)


@dataclass(frozen=True)
class _School:
    """An organisation with its seal; all keys are in software."""

    key: Sm2SoftKey
    certificate: bytes
    seal: bytes
    trust: Trust

    @classmethod
    async def make(cls, now: datetime) -> _School:
        root_key, maker_key, key = (Sm2SoftKey.generate(name) for name in ("root", "maker", "seal"))
        root = await make_sm2_root(root_key, lambda: now, ORGANISATION)
        authority = Sm2Authority(root_key, root, lambda: now, ORGANISATION)
        certificate = await authority.issue_seal(key.spki, ORGANISATION)
        picture = SealPicture(b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(_PICTURE_BYTES), 40, 40)
        maker = await authority.issue_seal_maker(maker_key.spki, ORGANISATION)
        new = NewSeal("1", ORGANISATION, picture, (certificate,), now, now + timedelta(days=365), maker)
        info = seal_info(new)
        seal = finish_seal(new, info, await maker_key.sign(info))
        return cls(key, certificate, seal, Trust(authorities=(x509.Certificate.load(root),)))

    async def sealed(self, ofd: bytes, now: datetime) -> bytes:
        prepared = prepare_seal(ofd, self.seal, self.certificate, now, [PLACE])
        return prepared.finish(await self.key.sign(prepared.to_be_signed))


async def _measured(rounds: int) -> Ledger:
    now = datetime.now(UTC)
    school = await _School.make(now)
    contract = issued_contract()
    files = {name: _sized_ofd(size) for name, size in SIZES.items()}
    facts = OfdFacts("合同", "HF-2026-000001", ORGANISATION, now)
    sealed = {size: await school.sealed(file, now) for size, file in files.items()}

    async def written() -> None:
        write_ofd(contract, facts)

    def seal(size: str) -> Work:
        return lambda: school.sealed(files[size], now)

    def verify(size: str) -> Work:
        async def work() -> None:
            assert not verify_bytes(sealed[size], school.trust).failed

        return work

    works: dict[str, Work] = {"bare_sm2": lambda: school.key.sign(school.seal), "write_contract": written}
    works |= {f"seal_{size}": seal(size) for size in SIZES}
    works |= {f"verify_{size}": verify(size) for size in SIZES}
    return await interleaved(works, rounds)


def _sized_ofd(size: int) -> bytes:
    """Return an OFD of one page and about this size. Most of it is a picture that cannot be compressed."""
    parts = {
        "OFD.xml": f'<ofd:OFD {_NAMESPACE} Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo><ofd:DocID>{"0" * 32}'
        "</ofd:DocID></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
        "Doc_0/Document.xml": f"<ofd:Document {_NAMESPACE}><ofd:CommonData><ofd:MaxUnitID>9</ofd:MaxUnitID>"
        "<ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea></ofd:CommonData>"
        '<ofd:Pages><ofd:Page ID="1" BaseLoc="Pages/Page_0/Content.xml"/></ofd:Pages></ofd:Document>',
        "Doc_0/Pages/Page_0/Content.xml": f'<ofd:Page {_NAMESPACE}><ofd:Content><ofd:Layer ID="2"/></ofd:Content>'
        "</ofd:Page>",
    }
    members = {name: text.encode() for name, text in parts.items()}
    room = size - len(write_package(members))
    return write_package(members | {"Doc_0/Res/picture.jpg": random.Random(2).randbytes(room)})
