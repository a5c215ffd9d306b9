"""What the log and the metrics say of a provider: a refused credential once, each call by its outcome, how late a
message left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bench.programs.ports import free_port
from hub.measures import DUE_TO_SENT_SECONDS, PROVIDER_CALLS, CallOutcome
from hub.operator_metrics import render_hub_metrics
from tests.channels.doubles import Trouble
from tests.router.routed import Routed, routed

PROVIDER = "sms_twilio"
PROBE = timedelta(minutes=11)


def value_of(metric: Any, suffix: str, **labels: str) -> float:
    """Return the present value of a series of this process."""
    (family,) = metric.collect()
    return float(sum(each.value for each in family.samples if each.name.endswith(suffix) and each.labels == labels))


def calls(outcome: CallOutcome) -> float:
    return value_of(PROVIDER_CALLS, "_total", provider=PROVIDER, outcome=outcome.value)


async def scraped(hub: Routed, name: str) -> float:
    text = (await render_hub_metrics(hub.running.hub)).decode()
    line = next(line for line in text.splitlines() if line.startswith(f'{name}{{provider="{PROVIDER}"}}'))
    return float(line.rpartition(" ")[2])


def lines(logs: Any, event: str) -> list[str]:
    return [str(line.get("reason", "")) for line in logs if line["event"] == event]


async def test_a_refused_credential_is_one_line_however_many_messages_wait_and_one_when_it_is_mended() -> None:
    before = {outcome: calls(outcome) for outcome in CallOutcome}
    async with routed(trouble=[Trouble.ACCOUNT, Trouble.ACCOUNT]) as hub:
        with capture_logs() as logs:
            await hub.invited()
            await hub.invited(phone="+12025550302")
            await hub.run_round(PROBE)  # the probe is refused as well
        assert lines(logs, "provider refuses everything") == ["HTTP 401, code 20003"]
        assert await scraped(hub, "qianda_provider_circuit_open") == 1
        with capture_logs() as logs:
            await hub.run_round(PROBE)
            await hub.run_round(timedelta(minutes=2))
        assert len(lines(logs, "provider works again")) == 1
        assert not lines(logs, "provider refuses everything")
        assert await scraped(hub, "qianda_provider_circuit_open") == 0
        more = {outcome: calls(outcome) - before[outcome] for outcome in CallOutcome}
        assert (more[CallOutcome.ACCOUNT], more[CallOutcome.ACCEPTED]) == (2, 2)


async def test_errors_are_news_once_and_lower_the_health() -> None:
    before = calls(CallOutcome.UNKNOWN)
    async with routed(trouble=[Trouble.GATEWAY_ERROR] * 3) as hub:
        with capture_logs() as logs:
            for number in range(3):
                await hub.invited(phone=f"+1202555031{number}")
        assert len(lines(logs, "provider in trouble")) == 1
        assert calls(CallOutcome.UNKNOWN) - before == 3
        assert await scraped(hub, "qianda_provider_health") == pytest.approx(1 / 8, abs=0.02)


async def test_a_message_counts_from_the_moment_at_which_its_step_was_due() -> None:
    async with routed() as hub:
        waited = value_of(DUE_TO_SENT_SECONDS, "_sum", purpose="invitation")
        contract = await hub.issue()
        hub.clock.advance(timedelta(minutes=10))
        with capture_logs() as logs:
            await hub.sweep()
        assert value_of(DUE_TO_SENT_SECONDS, "_sum", purpose="invitation") - waited == pytest.approx(600, abs=30)
        (line,) = [line for line in logs if line["event"] == "delivery"]
        assert (line["contract"], line["provider"]) == (str(contract.id), PROVIDER)


async def test_messages_whose_provider_does_not_answer_are_one_line_in_each_round() -> None:
    async with routed(trouble=[Trouble.GATEWAY_ERROR] * 3) as hub:
        for number in range(3):
            await hub.invited(phone=f"+1202555032{number}")
        hub.twilio.url = f"http://127.0.0.1:{free_port()}"  # where nobody is
        hub.providers()
        with capture_logs() as logs:
            await hub.run_round(timedelta(minutes=1))
        assert [line["number"] for line in logs if line["event"] == "deliveries not reconciled"] == [3]
