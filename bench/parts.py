"""Measure the CPU time of the pieces of one contract's chain that are not HTTP or SQL, each alone in this process."""

from __future__ import annotations

import asyncio

from bench.judges.final_check import quick_check
from bench.pieces.page_images import draw_all, draw_all_in_colour_first
from bench.pieces.school import (
    ENGINE,
    GUARDIAN,
    GUARDIAN_NAME,
    ORGANISATION,
    BenchPrinter,
    BenchSchool,
    embedded,
    prepared_for_guardian,
    raw_signature,
    with_fields,
)
from bench.pieces.stock import SEAL
from bench.pieces.trials import Ledger, Work, interleaved, typical
from bench.seal import ProductSeal, finished_contract
from hub.documents.signing.engine import close_file
from hub.documents.signing.signature import Evidence, NewSignature, embed
from hub.documents.signing.stamps import seal_stamp
from hub.tokens.softkey import SoftKey
from qianda.verify.pdf.structure import check_finished

TIMESTAMPS = 3  # per contract: the guardian's signature, the seal, the document


async def measured(rounds: int) -> Ledger:
    """Return rows of CPU time. The time of child processes (clause text) is not included."""
    school, printer = await BenchSchool.make(), BenchPrinter()
    try:
        works = await _works(school, printer)
        contracts = [await finished_contract(school) for _ in range(rounds + 1)]
        works["final_check"] = quick_check(school, contracts)
        return await interleaved(works, rounds, lambda: school.timestamps.cpu_s)
    finally:
        printer.close()


def figures(ledger: Ledger) -> dict[str, float]:
    """Return milliseconds, and the ratio of page images to the former method. The timestamp service's own time is
    separate."""
    works = [work for work in dict.fromkeys(row["work"] for row in ledger) if work != "timestamp"]
    apart = {"part_ms_timestamps": TIMESTAMPS * typical(ledger, "timestamp") * 1000}
    images = typical(ledger, "page_images", own=True) / typical(ledger, "page_images_before", own=True)
    apart["ratio_page_image"] = images
    return {f"part_ms_{work}": typical(ledger, work, own=True) * 1000 for work in works} | apart


async def _works(school: BenchSchool, printer: BenchPrinter) -> dict[str, Work]:
    """Return each piece, applied to the file as it is at that step of a contract's life."""
    key = SoftKey.generate(GUARDIAN)
    chain = (await school.authority.enrol(key.spki, GUARDIAN_NAME, "P1")).chain
    laid_out = printer.lay_out()
    issued = with_fields(laid_out)
    prepared = prepared_for_guardian(issued, chain)
    raw = await raw_signature(key, prepared.to_be_signed)
    signed = await embedded(prepared, key, chain, school.timestamps, raw)
    evidence = Evidence([*chain, *school.certificates], [school.crl])
    validated = ENGINE.with_validation_data(signed, GUARDIAN, evidence)
    seal = ProductSeal(school, school.seal_key, school.seal.chain)
    stamp = seal_stamp(ORGANISATION)
    to_seal = ENGINE.prepare(validated, NewSignature(SEAL, certify=False, final=True, appearance=stamp), seal.chain)
    value = await seal.key.sign(to_seal.to_be_signed)

    async def embedded_seal() -> bytes:
        return await embed(to_seal, seal.chain, value, school.timestamps)

    sealed = await embedded_seal()
    final = await close_file(ENGINE, sealed, school.timestamps, evidence)
    numbers = iter(range(1, 1_000_000))
    return {
        "layout": lambda: asyncio.to_thread(lambda: printer.lay_out(next(numbers))),  # never the same contract twice
        "fields": lambda: asyncio.to_thread(with_fields, laid_out),
        "certificate": lambda: school.authority.enrol(key.spki, GUARDIAN_NAME, "P1"),
        "revocation_list": lambda: school.authority.revocation_list([]),
        "page_images": lambda: asyncio.to_thread(draw_all, issued),
        "page_images_before": lambda: asyncio.to_thread(draw_all_in_colour_first, issued),
        "prepare": lambda: asyncio.to_thread(prepared_for_guardian, issued, chain),
        "embed": lambda: embedded(prepared, key, chain, school.timestamps, raw),
        "validation_data": lambda: asyncio.to_thread(ENGINE.with_validation_data, signed, GUARDIAN, evidence),
        "seal_stamp": lambda: asyncio.to_thread(seal_stamp, ORGANISATION),
        "seal_prepare": lambda: asyncio.to_thread(
            lambda: ENGINE.prepare(
                validated, NewSignature(SEAL, certify=False, final=True, appearance=stamp), seal.chain
            )
        ),
        "seal_embed": embedded_seal,
        "close": lambda: close_file(ENGINE, sealed, school.timestamps, evidence),
        "full_check": lambda: asyncio.to_thread(check_finished, final, [GUARDIAN, SEAL]),  # of one contract in 50
        "timestamp": lambda: school.timestamps.timestamp(bytes(32)),
    }
