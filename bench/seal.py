"""The school's seal: the product's own steps against pyHanko as documented, and against the raw hash and signature."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.judge import check_by_pyhanko, offline_spec
from bench.results import Result
from bench.school import (
    ENGINE,
    GUARDIAN,
    GUARDIAN_NAME,
    ORGANISATION,
    BenchSchool,
    embedded,
    issued_contract,
    prepared_for_guardian,
    raw_signature,
)
from bench.stock import SEAL, StockSeal
from bench.trials import Ledger, Work, interleaved, typical
from hub.documents.engine import close_file
from hub.documents.pades.cms import assembled
from hub.documents.signature import Evidence, NewSignature, Prepared, embed, filled
from hub.documents.stamps import seal_stamp
from hub.tokens import SigningKey
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.softhsm import create_token, module_path
from hub.tokens.softkey import SoftKey

ROUNDS = 25


def run(rounds: int) -> Result:
    ledger = asyncio.run(_measured(rounds))
    return Result("seal", _figures(ledger), ledger)


@dataclass(frozen=True)
class ProductSeal:
    """What `hub.lifecycle.sealing.finalise` does with a signed contract, without the database and the files between."""

    school: BenchSchool
    key: SigningKey
    chain: tuple[bytes, ...]

    async def long_term(self, document: bytes) -> bytes:
        stamp = await asyncio.to_thread(seal_stamp, ORGANISATION)
        prepared = await self._prepared(document, stamp)
        signature = await self.key.sign(prepared.to_be_signed)
        sealed = await embed(prepared, self.chain, signature, self.school.timestamps)
        evidence = Evidence([*self.chain, *self.school.timestamps.certificates], [self.school.crl])
        return await close_file(ENGINE, sealed, self.school.timestamps, evidence)

    async def _prepared(self, document: bytes, stamp: bytes | None) -> Prepared:
        signature = NewSignature(SEAL, certify=False, final=True, appearance=stamp)
        return await asyncio.to_thread(ENGINE.prepare, document, signature, self.chain)

    async def plain(self, document: bytes, *, timestamped: bool) -> bytes:
        """B-B or B-T: nothing shows, nothing is added."""
        prepared = await self._prepared(document, None)
        signature = await self.key.sign(prepared.to_be_signed)
        if not timestamped:
            return filled(prepared.file, prepared.gap, assembled(prepared.to_be_signed, signature, self.chain, None))
        return await embed(prepared, self.chain, signature, self.school.timestamps)


async def guardian_signed(school: BenchSchool, issued: bytes) -> bytes:
    """The contract as the seal finds it: signed by the guardian, with the validation data of that signature."""
    key = SoftKey.generate(GUARDIAN)
    certificate = await school.authority.enrol(key.spki, GUARDIAN_NAME, "P1")
    prepared = prepared_for_guardian(issued, certificate.chain)
    signature = await raw_signature(key, prepared.to_be_signed)
    signed = await embedded(prepared, key, certificate.chain, school.timestamps, signature)
    evidence = Evidence([*certificate.chain, *school.certificates], [school.crl])
    return ENGINE.with_validation_data(signed, GUARDIAN, evidence)


@contextlib.asynccontextmanager
async def _token_seal(school: BenchSchool, folder: Path) -> AsyncIterator[ProductSeal]:
    """The seal as the product has it: its key on a PKCS#11 token (SoftHSM)."""
    create_token(folder, "bench", "1234")
    token = Pkcs11Token(module_path(), "bench", "1234")
    try:
        key = await token.generate_key("seal")
        issued = await school.authority.enrol_seal(key.spki, ORGANISATION)
        yield ProductSeal(school, key, issued.chain)
    finally:
        token.close()


async def _measured(rounds: int) -> Ledger:
    school = await BenchSchool.make()
    issued = issued_contract()
    signed = await guardian_signed(school, issued)
    ours = ProductSeal(school, school.seal_key, school.seal.chain)
    with tempfile.TemporaryDirectory() as place:
        stamp = Path(place) / "stamp.pdf"
        stamp.write_bytes(seal_stamp(ORGANISATION))
        stock = StockSeal(school, stamp)
        async with _token_seal(school, Path(place) / "token") as on_token:
            works: dict[str, Work] = {
                "stock_lta": lambda: stock.long_term(signed),
                "ours_lta": lambda: ours.long_term(signed),
                "ours_lta_token": lambda: on_token.long_term(signed),
                "stock_bb": lambda: stock.basic(issued),
                "ours_bb": lambda: ours.plain(issued, timestamped=False),
                "stock_bt": lambda: stock.timestamped(issued),
                "ours_bt": lambda: ours.plain(issued, timestamped=True),
                "raw": lambda: _raw(school.seal_private_key, issued),
            }
            await _check(school, [await works[name]() for name in ("stock_lta", "ours_lta", "ours_lta_token")])
            return await interleaved(works, rounds, lambda: school.timestamps.cpu_s)


async def _raw(key: ec.EllipticCurvePrivateKey, document: bytes) -> bytes:
    """The limit: SHA-256 over the same bytes, and one signature."""
    return key.sign(document, ec.ECDSA(hashes.SHA256()))


async def _check(school: BenchSchool, finished: list[object]) -> None:
    """Nobody is measured whose file is not a finished contract that holds."""
    spec = offline_spec(school)
    for file in finished:
        assert isinstance(file, bytes)
        await check_by_pyhanko(file, spec, [GUARDIAN, SEAL])


def _figures(ledger: Ledger) -> dict[str, float]:
    def ratio(upper: str, lower: str, *, own: bool = False) -> float:
        return typical(ledger, upper, own=own) / typical(ledger, lower, own=own)

    return {
        "ratio_stock_lta": ratio("stock_lta", "ours_lta"),
        "ratio_stock_lta_token": ratio("stock_lta", "ours_lta_token"),
        "ratio_stock_lta_tsa_apart": ratio("stock_lta", "ours_lta", own=True),
        "ratio_stock_ec": ratio("stock_bb", "ours_bb"),
        "ratio_stock_ec_bt": ratio("stock_bt", "ours_bt"),
        "ratio_limit_ec": ratio("ours_bb", "raw"),
    } | {f"ms_{work}": typical(ledger, work) * 1000 for work in dict.fromkeys(row["work"] for row in ledger)}
