"""Measure the school's seal: the product's own steps, pyHanko as documented, and the raw hash and signature."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.judges.final_check import quick_check
from bench.judges.judge import check_by_pyhanko, offline_spec
from bench.pieces import pdfbox
from bench.pieces.school import (
    ENGINE,
    FORGETFUL,
    GUARDIAN,
    GUARDIAN_NAME,
    ORGANISATION,
    BenchSchool,
    RsaSoftKey,
    embedded,
    issued_contract,
    prepared_for_guardian,
    private_der,
    raw_signature,
    utc_now,
)
from bench.pieces.stock import SEAL, StockSeal
from bench.pieces.trials import Ledger, Limit, Work, interleaved, typical
from bench.results import Result
from hub.content_hash import MAX_FILES, MIN_KEPT, hash_content
from hub.documents.pades.cms import assembled
from hub.documents.pades.source import read_plan
from hub.documents.signing.engine import OwnEngine, close_file
from hub.documents.signing.signature import Evidence, NewSignature, Prepared, embed, filled
from hub.documents.signing.stamps import seal_stamp
from hub.processes.child import freeze_loaded_objects
from hub.tokens import SigningKey
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.softhsm import create_token, module_path
from hub.tokens.softkey import SoftKey

ROUNDS = 25

log = logging.getLogger(__name__)


def run(rounds: int) -> Result:
    limit = Limit(frozenset(("stock_lta", "stock_bt")))
    ledger = asyncio.run(_measured(rounds, limit))
    return Result("seal", _figures(ledger) | {"stock_slow_runs": limit.ended}, ledger)


@dataclass
class FreshFile:
    """A file as a process gets it from its store: each run has a new object, whose hash nobody knows yet
    (`hub.content_hash` remembers the last files)."""

    content: bytes

    def renew(self) -> None:
        self.content = self.copy()
        for number in range(MAX_FILES):
            hash_content(bytes([number]) * MIN_KEPT)

    def copy(self) -> bytes:
        return bytes(bytearray(self.content))


@dataclass(frozen=True)
class ProductSeal:
    """The steps of `hub.lifecycle.sealing.finalise` for a signed contract, without the database and stored files."""

    school: BenchSchool
    key: SigningKey
    chain: tuple[bytes, ...]

    async def long_term(self, document: bytes) -> bytes:
        prepared = await asyncio.to_thread(self._prepared_visibly, document)
        signature = await self.key.sign(prepared.to_be_signed)
        sealed = await embed(prepared, self.chain, signature, self.school.timestamps)
        evidence = Evidence([*self.chain, *self.school.timestamps.certificates], [self.school.crl])
        return await close_file(ENGINE, sealed, self.school.timestamps, evidence)

    def _prepared_visibly(self, document: bytes) -> Prepared:
        signature = NewSignature(SEAL, certify=False, final=True, appearance=seal_stamp(ORGANISATION))
        return ENGINE.prepare(document, signature, self.chain)

    async def plain(self, document: bytes, engine: OwnEngine = FORGETFUL) -> bytes:
        """Write a B-B seal that shows nothing. It runs in the calling thread, since the raw limit is measured in the
        same way. `engine`: one that knows the file's plan, or one that reads it."""
        prepared = self._prepared_plainly(document, engine)
        signature = await self.key.sign(prepared.to_be_signed)
        return filled(prepared.file, prepared.gap, assembled(prepared.to_be_signed, signature, self.chain, None))

    async def timestamped(self, document: bytes) -> bytes:
        """Write a B-T seal. The file is read each time."""
        prepared = self._prepared_plainly(document, FORGETFUL)
        signature = await self.key.sign(prepared.to_be_signed)
        return await embed(prepared, self.chain, signature, self.school.timestamps)

    def _prepared_plainly(self, document: bytes, engine: OwnEngine) -> Prepared:
        return engine.prepare(document, NewSignature(SEAL, certify=False, final=True, appearance=None), self.chain)


async def guardian_signed(school: BenchSchool, issued: bytes) -> bytes:
    """Return the contract as it is before the seal: signed by the guardian, with the validation data of that
    signature."""
    key = SoftKey.generate(GUARDIAN)
    certificate = await school.authority.enrol(key.spki, GUARDIAN_NAME, "P1")
    prepared = prepared_for_guardian(issued, certificate.chain)
    signature = await raw_signature(key, prepared.to_be_signed)
    signed = await embedded(prepared, key, certificate.chain, school.timestamps, signature)
    evidence = Evidence([*certificate.chain, *school.certificates], [school.crl])
    return ENGINE.with_validation_data(signed, GUARDIAN, evidence)


async def finished_contract(school: BenchSchool) -> tuple[bytes, bytes]:
    """Return a new contract as it was issued, and as it was finished."""
    issued = issued_contract()
    seal = ProductSeal(school, school.seal_key, school.seal.chain)
    return issued, await seal.long_term(await guardian_signed(school, issued))


@contextlib.asynccontextmanager
async def _token_seal(school: BenchSchool, folder: Path) -> AsyncIterator[ProductSeal]:
    """Yield the seal as in the product: its key is on a PKCS#11 token (SoftHSM)."""
    create_token(folder, "bench", "1234")
    token = Pkcs11Token(module_path(), "bench", "1234")
    try:
        key = await token.generate_key("seal")
        issued = await school.authority.enrol_seal(key.spki, ORGANISATION)
        yield ProductSeal(school, key, issued.chain)
    finally:
        token.close()


async def _school_of_fast_runs(issued: bytes, stamp: Path, limit: Limit) -> tuple[BenchSchool, StockSeal]:
    """Make a school whose certificates pyHanko handles in its fast mode. With half of all sets of certificates it is
    nearly always slow.

    Raises RuntimeError if 30 schools are all slow.
    """
    for _ in range(30):
        school = await BenchSchool.make()
        stock = StockSeal(school, stamp)
        works: list[Work] = [lambda: stock.timestamped(issued), lambda: stock.long_term(issued)]  # noqa: B023  # run now
        if all([await limit.run_once(work) for work in works * 2]):
            return school, stock
    raise RuntimeError(f"pyHanko was slow with each of 30 schools ({limit.ended} runs ended)")


async def _measured(rounds: int, limit: Limit) -> Ledger:
    issued = issued_contract()
    async with contextlib.AsyncExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        stamp = Path(place) / "stamp.pdf"
        stamp.write_bytes(seal_stamp(ORGANISATION))
        school, stock = await _school_of_fast_runs(issued, stamp, limit)
        signed, plain = FreshFile(await guardian_signed(school, issued)), FreshFile(issued)
        ours = ProductSeal(school, school.seal_key, school.seal.chain)
        on_token = await stack.enter_async_context(_token_seal(school, Path(place) / "token"))
        works: dict[str, Work] = {
            "stock_lta": lambda: stock.long_term(signed.content),
            "ours_lta": lambda: ours.long_term(signed.content),
            "ours_lta_token": lambda: on_token.long_term(signed.content),
            **_plain_works(school, stock, plain, stamp),
        }
        await _check(school, [await works[name]() for name in ("ours_lta", "ours_lta_token")])
        contracts = [await finished_contract(school) for _ in range(rounds + 1)]
        works["check_finished"] = quick_check(school, contracts)
        if reason := pdfbox.missing():
            log.warning("seal: PDFBox is left out: %s", reason)
        else:
            key, chain = private_der(school.seal_private_key), school.seal.chain
            works["pdfbox_bb"] = stack.enter_context(pdfbox.warm_pdfbox(issued, SEAL, key, chain)).sign

        def renew() -> None:
            signed.renew()
            plain.renew()

        freeze_loaded_objects()  # as each of the product's processes does, for the peers as well
        return await interleaved(works, rounds, lambda: school.timestamps.cpu_s, limit, renew)


def _plain_works(school: BenchSchool, stock: StockSeal, issued: FreshFile, stamp: Path) -> dict[str, Work]:
    """Return the signatures that show nothing, in the issued contract."""
    knowing = OwnEngine(utc_now)
    knowing.writer.known_files.remember(issued.content, read_plan(issued.content))
    ours = ProductSeal(school, school.seal_key, school.seal.chain)
    by_rsa = ProductSeal(school, RsaSoftKey(school.rsa_private_key), school.rsa_seal.chain)
    stock_rsa = StockSeal(school, stamp, rsa=True)
    return {
        "ours_bb_plan": lambda: ours.plain(issued.content, knowing),
        "stock_bb": lambda: stock.basic(issued.content),
        "ours_bb": lambda: ours.plain(issued.content),
        "stock_bt": lambda: stock.timestamped(issued.content),
        "ours_bt": lambda: ours.timestamped(issued.content),
        "stock_rsa": lambda: stock_rsa.basic(issued.content),
        "ours_rsa": lambda: by_rsa.plain(issued.content),
        "raw": lambda: _raw(school.seal_private_key, issued.content),
    }


async def _raw(key: ec.EllipticCurvePrivateKey, document: bytes) -> bytes:
    """Compute the limit: SHA-256 over the same bytes, and one signature."""
    return key.sign(document, ec.ECDSA(hashes.SHA256()))


async def _check(school: BenchSchool, finished: list[object]) -> None:
    """Raise if a measured file is not a finished, valid contract."""
    spec = offline_spec(school)
    for file in finished:
        assert isinstance(file, bytes)
        await check_by_pyhanko(file, spec, [GUARDIAN, SEAL])


def _figures(ledger: Ledger) -> dict[str, float]:
    def ratio(upper: str, lower: str, *, own: bool = False) -> float:
        return typical(ledger, upper, own=own) / typical(ledger, lower, own=own)

    figures = {
        "ratio_stock_lta": ratio("stock_lta", "ours_lta"),
        "ratio_stock_lta_token": ratio("stock_lta", "ours_lta_token"),
        "ratio_stock_lta_tsa_apart": ratio("stock_lta", "ours_lta", own=True),
        "ratio_stock_ec": ratio("stock_bb", "ours_bb"),
        "ratio_stock_ec_plan": ratio("stock_bb", "ours_bb_plan"),
        "ratio_stock_ec_bt": ratio("stock_bt", "ours_bt"),
        "ratio_limit_ec": ratio("ours_bb", "raw"),
        "ratio_limit_ec_plan": ratio("ours_bb_plan", "raw"),
        "ratio_stock_rsa": ratio("stock_rsa", "ours_rsa"),
        "check_finished_ms": typical(ledger, "check_finished") * 1000,
    }
    works = dict.fromkeys(row["work"] for row in ledger)
    if "pdfbox_bb" in works:
        figures["ratio_pdfbox_ec"] = ratio("pdfbox_bb", "ours_bb")
    return figures | {f"ms_{work}": typical(ledger, work) * 1000 for work in works}
