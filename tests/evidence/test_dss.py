"""EU DSS judges what the product makes: final files, packages of both versions, and evidence records."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.documents.evidence.container import with_proofs
from hub.lifecycle.evidence.build_tree import add_proofs, build_tree
from qianda.evidence.container import PROOF
from qianda.evidence.contents import FINAL_FILE
from qianda.evidence.items import read_items
from tests.evidence.dss import faults, judged, write_trust
from tests.evidence.ended_contracts import ended, package_of, trusted_pem
from tests.evidence.forged_packages import zipped
from tests.evidence.renewed import NEARLY_ALL_OF_IT, proven_packages, renew_twice
from tests.lifecycle.clockwork import quiet_hub

pytestmark = pytest.mark.real

PROVEN = Counter(["CAdES-BASELINE-T", "SIGNATURE_TIMESTAMP", "EVIDENCE_RECORD", "EVIDENCE_RECORD_TIMESTAMP"])


def kinds(said: list[str]) -> Counter[str]:
    return Counter(line.partition(":")[0] for line in said)


async def test_dss_accepts_the_files_of_a_contract_and_refuses_changed_ones(tmp_path: Path) -> None:
    async with quiet_hub() as running:
        contract = await ended(running, "completed")
        first = await package_of(running, contract)
        assert await build_tree(running.hub.services) and await add_proofs(running.hub.services) == 1
        second, trusted = await package_of(running, contract), trusted_pem(running)
    items = {item.name: item.content for item in read_items(second)}
    signature = next(name for name in items if name.startswith("signers/") and "/signature-" in name)
    flipped = items[PROOF][:-1] + bytes([items[PROOF][-1] ^ 1])
    altered = items[FINAL_FILE][:500] + bytes([items[FINAL_FILE][500] ^ 1]) + items[FINAL_FILE][501:]
    files = {
        "final.pdf": items[FINAL_FILE],
        "first.asice": first,
        "second.asice": second,
        "both.asice": with_proofs(first, [items[PROOF]] * 2, datetime.now(UTC)),
        "altered.pdf": altered,
        "altered.asice": zipped({**items, signature: items[signature] + b"\0"}.items()),
        "unproven.asice": zipped({**items, PROOF: flipped}.items()),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    lists = [content for name, content in items.items() if name.endswith(".crl")]
    trust = write_trust(tmp_path / "trust", trusted, lists)
    said = await asyncio.to_thread(judged, trust, [tmp_path / name for name in files])
    genuine = {name: said.pop(name) for name in ("final.pdf", "first.asice", "second.asice", "both.asice")}
    assert faults(genuine) == []
    assert kinds(genuine["final.pdf"])["PAdES-BASELINE-LTA"] == 2  # the signer and the seal
    assert kinds(genuine["second.asice"]) == PROVEN
    assert kinds(genuine["both.asice"])["EVIDENCE_RECORD"] == 2  # as of two authorities
    for name, lines in said.items():
        assert faults({name: lines}), (name, lines)


async def test_dss_accepts_renewed_records_fifteen_years_later(tmp_path: Path) -> None:
    async with proven_packages() as made:
        await renew_twice(made)
        trusted, start = trusted_pem(made.running), made.clock() - NEARLY_ALL_OF_IT
    for number, content in made.versions.items():
        (tmp_path / f"{number}.asice").write_bytes(content)
    lists = [item.content for item in read_items(made.versions[1]) if item.name.endswith(".crl")]
    trust = write_trust(tmp_path / "trust", trusted, lists)
    files = [tmp_path / f"{number}.asice" for number in (3, 4)]
    said = await asyncio.to_thread(judged, trust, files, at=start + timedelta(days=15 * 365))
    assert faults(said) == []
    for number in (3, 4):  # the timestamps of its record
        assert kinds(said[f"{number}.asice"])["EVIDENCE_RECORD_TIMESTAMP"] == number - 1
