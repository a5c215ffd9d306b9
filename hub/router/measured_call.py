"""Call a provider and measure the call for `/metrics`: its outcome, its duration, and how late the message left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from channels import CALL_TIMEOUT, AccountTrouble, MessageRefused, NotNow, Receipt
from hub.measures import DUE_TO_SENT_SECONDS, CallOutcome, count_call
from hub.router.providers import Begun


async def send_measured(call: Begun, clock: Callable[[], datetime]) -> Receipt:
    """Send the message of a call. `clock`: real time. Raises what `Channel.send` raises, and TimeoutError."""
    began, outcome = time.monotonic(), CallOutcome.UNKNOWN
    try:
        receipt = await asyncio.wait_for(call.provider.channel.send(call.message), CALL_TIMEOUT)
        outcome = CallOutcome.ACCEPTED
    except MessageRefused:
        outcome = CallOutcome.REFUSED
        raise
    except AccountTrouble:
        outcome = CallOutcome.ACCOUNT
        raise
    except NotNow:
        outcome = CallOutcome.NOT_NOW
        raise
    finally:
        count_call(call.provider.name, outcome, time.monotonic() - began)
    DUE_TO_SENT_SECONDS.labels(call.delivery.purpose).observe(compute_lateness(call, clock()).total_seconds())
    return receipt


def compute_lateness(call: Begun, now: datetime) -> timedelta:
    """Return the time since the message of this call was due. `now`: real time.

    A message without a step was due when it was written. The two times of the claim show how far the planning clock is
    ahead of real time.
    """
    delivery = call.delivery
    due = call.due_at or delivery.planned_at or delivery.created_at
    ahead = delivery.state_at - call.claimed_at if delivery.state_at else timedelta(0)
    return max(now + ahead - due, timedelta(0))
