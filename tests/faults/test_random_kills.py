"""Contracts through their life while processes are killed: the short version of `qianda bench faults`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.simulated.providers import read_ledger
from tests.bench.measuring import measured

# Figures that must be 0.
FAULTS = (
    "lost",
    "sent_twice",
    "sent_after_signing",
    "sent_in_quiet_hours",
    "sealed_twice",
    "issued_twice",
    "seals_not_in_ledger",
    "timestamps_not_in_ledger",
    "certificates_not_in_ledger",
)
CONTRACTS, KILLS = 300, 20


@pytest.mark.real
def test_faults(tmp_path: Path) -> None:
    """A fifth of the contracts are signed. A shorter run takes nearly as long, because starts take most of it."""
    figures, rows = measured("faults", tmp_path, CONTRACTS, "--signing", "0.2", timeout=840)
    assert {name: figures[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)
    assert figures["kills"] == len([row for row in rows if row["work"] == "kill"]) == KILLS
    assert figures["completed"] == figures["signing"] == CONTRACTS // 5
    assert figures["cut_off"] > 0
    assert figures["interrupted"] > 0
    assert figures["messages"] == len(read_ledger(tmp_path / "faults.sms_twilio.jsonl")) >= CONTRACTS * 0.95
    for name in ("authority", "timestamps", "seal"):  # one reply in fifty is lost
        assert "reply lost" in (tmp_path / f"faults.{name}.jsonl").read_text()
    said = [json.loads(line) for line in (tmp_path / "faults.seal.jsonl").read_text().splitlines()]
    signed = len({each["digest"] for each in said if each["what"] == "signed"})
    assert signed == figures["completed"] + figures["packages"] + figures["packages_in_vain"]
    assert figures["packages"] > 0
