"""Fuzz the verifier, guided by coverage: `python -m tests.fuzz.verifier SECONDS FOLDER`.

Finished contracts are changed by spliced, repeated and rewritten pieces of themselves and by libFuzzer's own mutations.
Three things end a run: an unexpected exception, a check that takes too long, and a changed file that is accepted.
FOLDER keeps the interesting inputs, so that a later run continues from there.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["qianda.pdf", "qianda.verify"]):
    from qianda.pdf import NotOurForm, read_revisions
    from qianda.verify.findings import UnreadableDocument
    from qianda.verify.pdf.structure import examine

from tests.browser.update_files import last_revision
from tests.signing_parts import SEAL, finished_contract
from tests.verify.reading import SIGNERS

FIELDS = ("guardian-1", SEAL)
RUN_TIMEOUT = 10
_OBJECT = re.compile(rb"[1-9]\d* 0 obj\n.*?\nendobj\n", re.DOTALL)
_TABLE = re.compile(rb"xref\n.*?%%EOF\n", re.DOTALL)
_LAST_TRAILER = re.compile(rb"trailer\n<<.*>>\nstartxref", re.DOTALL)
_BYTE_RANGE = re.compile(rb"/ByteRange \[[^\]]*\]")
_NUMBER = re.compile(rb"\d+")
_NAME = re.compile(rb"/[A-Za-z]+")


class Accepted(Exception):
    """A changed file was accepted."""


def genuine_files() -> list[bytes]:
    """Return small finished contracts, and their earlier revisions."""
    with tempfile.TemporaryDirectory() as folder:
        one = asyncio.run(finished_contract(Path(folder)))
        two = asyncio.run(finished_contract(Path(folder), signers=SIGNERS))
    return [one.final, two.final, *one.revisions.values()]


def one_input(genuine: set[bytes]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        try:
            findings = examine(data, FIELDS).findings
        except (UnreadableDocument, NotOurForm):
            return
        if not findings and data not in genuine:
            raise Accepted(f"{len(data)} bytes")

    return run


def mutator(seeds: list[bytes]) -> Callable[[bytes, int, int], bytes]:
    """Return a mutator. Half of its mutations move pieces of PDF about; the other half are libFuzzer's own."""
    objects = [found for seed in seeds for found in _OBJECT.findall(seed)]
    tables = [found for seed in seeds for found in _TABLE.findall(seed)]

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, max_size))
        kinds = (_flip, _renumber, _rename, _insert, _cut, _swap, _append, _rewrite, _rewrite)
        return chance.choice(kinds)(data, chance, objects + tables)[:max_size]

    return mutate


Pieces = list[bytes]


def _flip(data: bytes, chance: random.Random, _pieces: Pieces) -> bytes:
    changed = bytearray(data or b"%")
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _renumber(data: bytes, chance: random.Random, _pieces: Pieces) -> bytes:
    return _replace_one(data, _NUMBER, b"%d" % chance.choice((0, 1, 2, 65535, chance.randrange(len(data) + 1))), chance)


def _rename(data: bytes, chance: random.Random, _pieces: Pieces) -> bytes:
    names = _NAME.findall(data) or [b"/V"]
    return _replace_one(data, _NAME, chance.choice(names), chance)


def _replace_one(data: bytes, pattern: re.Pattern[bytes], new: bytes, chance: random.Random) -> bytes:
    found = list(pattern.finditer(data))
    if not found:
        return data
    start, end = chance.choice(found).span()
    return data[:start] + new + data[end:]


def _insert(data: bytes, chance: random.Random, pieces: Pieces) -> bytes:
    ends = [match.end() for match in re.finditer(rb"endobj\n|%%EOF\n", data)] or [0]
    at = chance.choice(ends)
    return data[:at] + chance.choice(pieces) + data[at:]


def _cut(data: bytes, chance: random.Random, _pieces: Pieces) -> bytes:
    found = [*_OBJECT.finditer(data), *_TABLE.finditer(data)]
    if not found:
        return data
    start, end = chance.choice(found).span()
    return data[:start] + data[end:]


def _swap(data: bytes, chance: random.Random, pieces: Pieces) -> bytes:
    return _replace_one(data, _OBJECT, chance.choice(pieces), chance)


def _rewrite(data: bytes, chance: random.Random, pieces: Pieces) -> bytes:
    """Return the file with one object of the last revision changed, and its table and byte range corrected, so that the
    form alone is right."""
    end = data.rfind(b"%%EOF\n", 0, max(len(data) - 6, 0)) + 6
    if end < 6 or not (_LAST_TRAILER.search(data, end) and _BYTE_RANGE.search(data, end)):
        return data
    try:
        revision = last_revision(data[:end], data)
    except ValueError:  # the file contains a number with thousands of digits
        return data
    for number in chance.sample(sorted(revision.objects), min(1, len(revision.objects))):
        change = chance.choice((_flip, _renumber, _rename))
        revision.objects[number] = change(revision.objects[number], chance, pieces)
    return revision.write()


def _append(data: bytes, chance: random.Random, pieces: Pieces) -> bytes:
    return data + b"".join(chance.choices(pieces, k=chance.randrange(1, 4)))


def main(seconds: int, folder: Path) -> None:
    seeds = genuine_files()
    genuine = {seed for seed in seeds if not examine(seed, FIELDS).findings}
    assert len(genuine) == 1 and all(read_revisions(seed) for seed in seeds)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-timeout={RUN_TIMEOUT}", "-max_len=300000", "-rss_limit_mb=2048"]
    found = f"-artifact_prefix={folder}/found-"
    arguments = [sys.argv[0], *limits, found, "-print_final_stats=1", str(folder)]
    atheris.Setup(arguments, one_input(genuine), custom_mutator=mutator(seeds))
    atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
