"""CHECK.md, run exactly as it is written: genuine packages pass, forged ones do not."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from qianda.evidence.items import read_items
from tests.evidence.ended_contracts import ENDS, ended, package_of, pki_of, signed_items, trusted_pem
from tests.evidence.forged_packages import forgeries, zipped
from tests.evidence.small_package import SmallPackage, proven, small_package
from tests.evidence.stranger import PROGRAMS, follow, follow_alone
from tests.lifecycle.clockwork import StandingClock, quiet_hub

NAME = "signers/guardian-1/signer.json"


async def real_package(end: str) -> tuple[bytes, bytes]:
    """Return the package of a contract that ended so, and the certificates to trust."""
    async with quiet_hub() as running:
        return await package_of(running, await ended(running, end)), trusted_pem(running)


def test_a_completed_contract_passes_and_a_changed_one_does_not(tmp_path: Path) -> None:
    package, trusted = asyncio.run(real_package("completed"))
    run = follow(tmp_path / "genuine", package, trusted)
    assert run.passed, run.output
    items = {item.name: item.content for item in read_items(package)}
    forged = zipped({**items, NAME: items[NAME].replace(b"guardian-1", b"guardian-2")}.items())
    run = follow(tmp_path / "forged", forged, trusted)
    assert not run.passed and NAME in run.output


@pytest.mark.parametrize(("missing", "words"), [("openssl", "openssl 3 or later"), ("unzip", "unzip")])
def test_without_a_program_nothing_is_said_of_the_package(tmp_path: Path, missing: str, words: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in set(PROGRAMS) - {missing}:
        (programs / name).symlink_to(str(shutil.which(name)))
    run = follow(tmp_path / "empty", b"", None, str(programs))
    assert f"NOT CHECKED 未核验: {words} is missing" in run.output and "FAILED" not in run.output


@pytest.mark.real
@pytest.mark.parametrize("end", ENDS)
def test_three_programs_in_an_empty_root_folder_are_enough(tmp_path: Path, end: str) -> None:
    package, trusted = asyncio.run(real_package(end))
    run = follow_alone(tmp_path, package, trusted)
    assert run.passed, run.output


async def forty_genuine() -> tuple[list[bytes], bytes]:
    """Return ten packages of a contract that ended in each way: version 1, and proofs in trees of nine sizes."""
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        pki, made = pki_of(running), list[bytes]()
        for end in ENDS:
            clock.advance(timedelta(minutes=2))  # between two codes to one phone
            first = await package_of(running, await ended(running, end))
            made += [first, *[await proven(first, pki, neighbours) for neighbours in range(9)]]
        return made, trusted_pem(running)


@pytest.mark.real
def test_forty_genuine_packages_pass(tmp_path: Path) -> None:
    packages, trusted = asyncio.run(forty_genuine())
    assert len(set(packages)) == 40

    def output(number: int) -> str:
        run = follow(tmp_path / f"{number}", packages[number], trusted)
        return "" if run.passed else run.output

    with ThreadPoolExecutor(2) as pool:
        assert [said for said in pool.map(output, range(len(packages))) if said] == []


async def forged_with_the_real_seal(folder: Path) -> tuple[SmallPackage, dict[str, list[bytes]], bytes]:
    """Return the package of a real contract in both versions, forgeries of it, and the certificates to trust."""
    async with quiet_hub() as running:
        package = await package_of(running, await ended(running, "completed"))
        pki = pki_of(running)
        items = signed_items(package)
        made = await small_package(folder, items, pki)
        return made, await forgeries(made), trusted_pem(running)


@pytest.mark.real
def test_forty_forgeries_do_not_pass(tmp_path: Path) -> None:
    package, made, trusted = asyncio.run(forged_with_the_real_seal(tmp_path))
    for name, genuine in (("first", package.file), ("second", package.proven)):
        run = follow(tmp_path / name, genuine, trusted)
        assert run.passed, run.output
    forged = {f"{kind} {number}": file for kind, files in made.items() for number, file in enumerate(files)}
    assert len(forged) == 40

    def passes(name: str) -> bool:
        return follow(tmp_path / name.replace(" ", "-"), forged[name], trusted).passed

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(forged, pool.map(passes, forged), strict=True))
    assert [name for name, passed in results.items() if passed] == []
