"""Make many finished contracts, and have every judge look at each of them: `make thousand`, `make thousand COUNT=100`.

Judges are pyHanko (B-LTA), pdfsig, mutool, openssl (cms and ts), PDFBox with Bouncy Castle, and `qianda verify`; twenty
files (`ARGS=`) are judged again by pyHanko at +2 days, +400 days and +5 years, and their packages, once renewed, by
`qianda verify` and EU DSS at +15 years. Prints a line for each judge, and exits 1 when one refuses a file.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests import judges
from tests.thousand import renewing
from tests.thousand.judging import Judge, by_mutool, by_openssl, by_pdfbox, by_pdfsig, by_pyhanko, by_us, judge_all
from tests.thousand.making import MadeContract, make_contracts
from tests.thousand.renewing import RenewedShare

PROCESSES = 2
LATER, LATER_FILES = ("+2d", "+400d", "+1826d"), 20
FILES_OF_A_JVM = 100


def main(count: int, later: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="qianda-thousand-"))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool, ThreadPoolExecutor(PROCESSES) as threads:
        begun = time.monotonic()
        each_makes = -(-count // PROCESSES)
        parts = [range(start, min(start + each_makes, count)) for start in range(0, count, each_makes)]
        every = max(1, count // max(1, later))
        chosen = range(0, every * later, every)
        folders = (folder / str(part.start) for part in parts)
        made = list(pool.map(partial(make_contracts, renew=chosen), folders, parts))
        trusted = [(share.trust, each) for share in made for each in share.contracts]
        size = sum(each.path.stat().st_size for _, each in trusted) >> 20
        print(f"made: {len(trusted)} contracts, {size} MiB, {time.monotonic() - begun:.0f} s", flush=True)
        shares = [trusted[number::PROCESSES] for number in range(PROCESSES)]
        bad = 0
        for judge in (by_us, by_pyhanko, by_pdfsig, by_mutool, by_openssl):
            workers = pool if judge in (by_us, by_pyhanko) else threads
            bad += report(judge.__name__, len(trusted), partial(_shared, workers, judge, shares))
        batches = [[each for _, each in trusted[at : at + FILES_OF_A_JVM]] for at in range(0, count, FILES_OF_A_JVM)]
        bad += report("by_pdfbox", len(trusted), lambda: [one for each in batches for one in by_pdfbox(each)])
        for clock in LATER if later else ():
            some = [trusted[number] for number in chosen if number < count]
            bad += report(f"by_pyhanko {clock}", len(some), partial(_judge_later, threads, clock, some))
        renewed = [share.renewed for share in made if share.renewed]
        for judge_renewed in (renewing.by_us, renewing.by_dss) if renewed else ():
            name = f"{judge_renewed.__name__}, renewed, +{renewing.FIFTEEN_YEARS.days}d"
            bad += report(
                name, sum(len(each.renewed) for each in renewed), partial(_judge_each, judge_renewed, renewed)
            )
    if bad:
        print(f"kept in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if bad else 0


def _shared(
    workers: ProcessPoolExecutor | ThreadPoolExecutor, judge: Judge, shares: Sequence[list[tuple[Path, MadeContract]]]
) -> list[str]:
    return [one for refused in workers.map(partial(judge_all, judge), shares) for one in refused]


def _judge_later(threads: ThreadPoolExecutor, clock: str, some: Sequence[tuple[Path, MadeContract]]) -> list[str]:
    def judge(trust: Path, made: MadeContract) -> None:
        judges.judge_by_pyhanko(made.path, trust, made.fields, clock)

    return [one for each in threads.map(partial(judge_all, judge), [[each] for each in some]) for one in each]


def _judge_each(judge: Callable[[RenewedShare], list[str]], renewed: Sequence[RenewedShare]) -> list[str]:
    return [one for share in renewed for one in judge(share)]


def report(name: str, files: int, work: Callable[[], list[str]]) -> int:
    """Do the work, and print how many of the files were accepted, and what was refused. Return how much that was."""
    begun = time.monotonic()
    refused = work()
    print(f"{name}: {files - len(refused)} of {files} accepted, {time.monotonic() - begun:.0f} s", flush=True)
    for line in refused[:10]:
        print(f"  {line}", flush=True)
    return len(refused)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    sys.exit(main(*numbers, *(1000, LATER_FILES)[len(numbers) :]))
