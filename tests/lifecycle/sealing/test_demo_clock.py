"""A demo whose clock jumped three weeks: signing works, and every validator accepts the file now."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from hub.model.staff.scope import EVERYTHING
from tests.judges import judge
from tests.lifecycle.clockwork import quiet_hub, round_of_work
from tests.lifecycle.signer import completed, signed

pytestmark = pytest.mark.real


async def test_three_weeks_later_on_the_demo_clock_the_signed_file_is_valid_now(tmp_path: Path) -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.school.advance_clock(timedelta(days=21))
        await round_of_work(running)
        await signed(running, contract)
        file = tmp_path / "final.pdf"
        file.write_bytes(await completed(running, contract))
        data = running.hub.settings.data
        trust = tmp_path / "trust.pem"
        pinned = [data / "trust" / f"builtin-{name}.pem" for name in ("authority", "timestamp")]
        trust.write_text("".join(path.read_text() for path in pinned))
        judge(file, trust, ["guardian-1", "seal"])
        verified = subprocess.run(
            [Path(sys.executable).with_name("qianda"), "verify", str(file), "--json"],
            capture_output=True,
            text=True,
            env={**os.environ, "QIANDA_DATA": str(data)},
            check=False,
        )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)
