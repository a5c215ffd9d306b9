"""Measure the check of a finished contract: the full report of `qianda verify`, and pyHanko's long-term validation
alone.

Also measure making and checking a package around that file, and building a tree over the records of a busy day.
"""

from __future__ import annotations

import asyncio

from bench.judges.judge import check_by_pyhanko, offline_spec, trust_in
from bench.pieces.evidence import LEAVES, items_around, make, measure_tree, prove
from bench.pieces.school import GUARDIAN, BenchSchool, issued_contract
from bench.pieces.stock import SEAL
from bench.pieces.trials import Ledger, Work, interleaved, typical
from bench.results import Result
from bench.seal import ProductSeal, guardian_signed
from qianda.evidence.package_check import check_package
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.pdf.structure import check_finished

ROUNDS = 15
# Records in the tree of a run with fewer rounds.
FEW_LEAVES = 20_000
FIELDS = [GUARDIAN, SEAL]


def run(rounds: int) -> Result:
    ledger = asyncio.run(_measured(rounds))
    full, alone, own = (typical(ledger, work) for work in ("full_report", "pyhanko_alone", "check_finished"))
    package, made = (typical(ledger, work) for work in ("check_package", "make_package"))
    figures = {
        "ratio_pyhanko": full / alone,
        "full_report_ms": full * 1000,
        "pyhanko_alone_ms": alone * 1000,
        "full_check_ms": own * 1000,
        "ratio_package": package / full,
        "check_package_ms": package * 1000,
        "make_package_ms": made * 1000,
        "tree_records_per_s": (leaves := LEAVES if rounds >= ROUNDS else FEW_LEAVES)
        / asyncio.run(measure_tree(leaves)),
    }
    return Result("verify", figures, ledger)


async def _measured(rounds: int) -> Ledger:
    school = await BenchSchool.make()
    signed = await guardian_signed(school, issued_contract())
    final = await ProductSeal(school, school.seal_key, school.seal.chain).long_term(signed)
    trust, spec = trust_in(school), offline_spec(school)

    async def full_report() -> None:
        report = await asyncio.to_thread(
            verify_bytes, final, trust, Expectation(tuple(FIELDS))
        )  # it runs its own event loop
        assert not report.failed

    async def own_check() -> None:
        assert check_finished(final, FIELDS) == []

    items = await asyncio.to_thread(items_around, final, trust, school.crl)
    first = await make(items, school)
    package = await prove(first, school)

    async def package_check() -> None:
        report = await asyncio.to_thread(check_package, package, trust)
        assert report.fault is None and not report.failed and report.proven_since

    async def package_making() -> None:
        assert len(await make(items, school)) > len(final)

    works: dict[str, Work] = {
        "check_package": package_check,
        "make_package": package_making,
        "full_report": full_report,
        "pyhanko_alone": lambda: check_by_pyhanko(final, spec, FIELDS),
        "check_finished": own_check,
    }
    return await interleaved(works, rounds)
