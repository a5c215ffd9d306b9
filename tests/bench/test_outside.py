"""Contracts signed and sealed by the outside services of `qianda bench faults`, whose replies get lost. This is the
small version in one process, where nothing is killed; `tests/faults` kills at each boundary and at random."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.judges.finished import Finished, read_finished
from bench.judges.ledger_judge import Ledgers, SignedPackages, is_sealed_once, judge_files
from bench.programs.outside import outside
from bench.stage import Stage
from hub.errors import Unavailable
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.settings.sections import TimestampSettings
from tests.judges import judge_by_pyhanko
from tests.lifecycle.signer import person
from tests.running import Running, running_hub

pytestmark = [pytest.mark.custody, pytest.mark.real]
CONTRACTS, LOSE = 3, 0.35
MAX_TRIES = 12
NOTHING = ("sealed_twice", "seals_not_in_ledger", "timestamps_not_in_ledger", "certificates_not_in_ledger")


@dataclass
class Bench:
    """The outcome. `stage` has the ledgers, `finished` what was read from each finished file."""

    stage: Stage
    finished: list[Finished]
    paths: list[Path]

    def entries(self, name: str, what: str) -> list[dict[str, Any]]:
        lines = self.stage.ledger(name).read_text().splitlines()
        return [entry for line in lines if (entry := json.loads(line))["what"] == what]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return asyncio.run(_lived(Bench(Stage("faults", tmp_path_factory.mktemp("ledgers")), [], [])))


async def _lived(bench: Bench) -> Bench:
    async with outside(bench.stage, LOSE, 0.0) as sections:
        sections = dict(sections)
        tsa = TimestampSettings(**sections.pop("timestamps"))
        async with running_hub(with_web=False, with_worker=False, tsa=tsa, configured=sections) as running:
            for number in range(CONTRACTS):
                contract = await running.issue_minor(signers=(_guardian(number),))
                path = bench.stage.folder / f"{number}.pdf"
                path.write_bytes(await _completed(running, contract))
                bench.paths.append(path)
                bench.finished.append(read_finished(path, contract.fields, check=True))
    return bench


def _guardian(number: int) -> NewSigner:
    return NewSigner(Role.GUARDIAN, "周文静", f"+86190000006{number}0", f"E62345{number}", "passport", relation="母亲")


async def _completed(running: Running, contract: Contract) -> bytes:
    """Sign and finish a contract, with as many tries as it takes: every kind of reply gets lost on the way. Return the
    final file."""
    somebody = await person(running, contract)
    await somebody.enter()
    for _ in range(MAX_TRIES):
        try:
            await somebody.certify()
            break
        except Unavailable:
            await somebody.fresh_challenge()  # the old challenge was used
    await somebody.sign()
    for _ in range(MAX_TRIES):
        if await advance(running.hub.services, contract.id) == "COMPLETED":
            break
    return await running.completed(contract)


def test_replies_were_lost_and_nothing_was_done_twice(bench: Bench) -> None:
    ledgers = Ledgers.read(*(bench.stage.ledger(name) for name in ("authority", "timestamps", "seal")))
    # Each contract's package was begun once, and the seal signed it unless a service failed before.
    figures = judge_files(bench.finished, ledgers, SignedPackages(begun=CONTRACTS))
    assert {name: figures[name] for name in NOTHING} == dict.fromkeys(NOTHING, 0)
    assert all(file.well and is_sealed_once(file, ledgers) for file in bench.finished)
    assert len(bench.finished) == CONTRACTS
    assert CONTRACTS <= len({each["digest"] for each in bench.entries("seal", "signed")}) <= 2 * CONTRACTS
    lost = {name: len(bench.entries(name, "reply lost")) for name in ("authority", "timestamps", "seal")}
    assert all(lost.values()), lost
    assert lost["seal"] <= figures["seals_in_vain"] <= lost["seal"] + CONTRACTS
    assert figures["timestamps_in_vain"] >= lost["timestamps"]


def test_the_files_last(bench: Bench) -> None:
    """By a judge that knows only the two authorities."""
    folder = bench.stage.folder
    trust = folder / "trust.pem"
    trust.write_text((folder / "authority" / "ca.pem").read_text() + (folder / "timestamps" / "tsa.pem").read_text())
    judge_by_pyhanko(bench.paths[0], trust, ["guardian-1", "seal"])


def test_a_changed_file_is_not_well(bench: Bench, tmp_path: Path) -> None:
    """One letter of the contract is changed, and no byte of its signatures."""
    file = bytearray(bench.paths[0].read_bytes())
    place = file.index(b"/Type")
    file[place + 1] ^= 1
    changed = tmp_path / "changed.pdf"
    changed.write_bytes(file)
    assert read_finished(bench.paths[0], ["guardian-1"], check=False).well
    assert not read_finished(changed, ["guardian-1"], check=False).well
