"""Failing services: staff are told of each once an hour, and a contract is completed all the same."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from hub.model.staff.scope import EVERYTHING
from hub.settings.sections import TimestampService, TimestampSettings
from tests.lifecycle.signer import completed, signed
from tests.running import Running, running_hub
from tests.timestamps.openssl_tsa import OpensslTsa

pytestmark = pytest.mark.custody


async def alerts(running: Running) -> list[tuple[str, str]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [(alert.kind, alert.said("en")) for alert in reversed(await tx.alerts.list_recent(EVERYTHING, tx.now))]


async def test_a_contract_is_completed_by_the_second_service_and_staff_hear_of_the_first(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        tsas = [await stack.enter_async_context(OpensslTsa(tmp_path / name).serving()) for name in ("one", "two")]
        more = [TimestampService(url=tsas[1].url, certificates=[tsas[1].pinned])]
        dead = "http://127.0.0.1:9/tsr"
        tsa = TimestampSettings(kind="rfc3161", url=dead, certificates=[tsas[0].pinned], more=more)
        running = await stack.enter_async_context(running_hub(with_web=False, with_worker=False, tsa=tsa))
        contract = await running.issue_minor()
        await signed(running, contract)
        running.clock.advance(timedelta(minutes=2))  # from now on our own clock is wrong
        await completed(running, contract)
        assert tsas[1].asked == 4  # the signature, the seal, the whole file, its evidence package
        name = tsas[1].url.split("/")[2]
        first, second = sorted(await alerts(running))
        assert first[0] == "clock-differs" and first[1].startswith(f"The clock of the timestamp service {name} differs")
        text = f"The timestamp service 127.0.0.1:9 returned no usable timestamp; {name} is used instead"
        assert second == ("timestamps-away", text)
        trusted = {path.name for path in (running.hub.settings.data / "trust").glob("timestamp-*.pem")}
        assert len(trusted) == 2
