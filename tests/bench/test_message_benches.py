"""The benches of messages. They take minutes, so they are a file of their own: one process runs a whole file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.results import percentile
from bench.simulated.providers import read_ledger
from tests.bench.measuring import measured


@pytest.mark.real
def test_channels(tmp_path: Path) -> None:
    figures, rows = measured("channels", tmp_path, 30)
    assert figures["duplicates_when_queryable"] == 0 and figures["lost"] == 0
    assert figures["duplicates_max_otherwise"] <= 1
    assert figures["codes_missing"] == 0 and figures["callbacks_unheard"] == 0
    for kind in ("sms_twilio", "sms_kannel"):
        taken = read_ledger(tmp_path / f"channels.{kind}.jsonl")
        assert [each.to for each in taken] == [row["to"] for row in rows if row["work"] == f"message {kind}"]
        assert len({each.to for each in taken}) == 30
        assert "reply lost" in (tmp_path / f"channels.{kind}.jsonl").read_text()
    waits = [float(row["wall_s"]) for row in rows if row["work"] == "call"]
    assert figures["callback_p99_ms"] == pytest.approx(percentile(waits, 0.99) * 1000, abs=0.001)


@pytest.mark.real
def test_reminders(tmp_path: Path) -> None:
    figures, rows = measured("reminders", tmp_path, 100, "--asleep", "2000", timeout=1500)
    assert figures["asleep"] == 2000 and figures["deferred"] == 200
    assert figures["deferred_outside_window"] == 0 and figures["sent_at_night"] == 0
    assert figures["day_in_small_sent"] == 100 and figures["codes_missing"] == 0
    late = [float(row["wall_s"]) for row in rows if row["work"] == "due to sent"]
    assert len(late) == 100 and figures["due_to_sent_p99_s"] == pytest.approx(percentile(late, 0.99), abs=0.001)
