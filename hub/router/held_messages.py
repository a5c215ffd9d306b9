"""Hold messages back while sending is paused. After a restore, ask whether a provider already has a message."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from channels import CALL_TIMEOUT, CannotAsk, Receipt
from hub.errors import Unavailable
from hub.model.messaging.delivery import Delivery
from hub.model.messaging.pause import HELD
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider, ProviderSet
from hub.router.rendering import Renderer
from hub.store.transaction import Database, Transaction

# A message that waits for the end of a pause is checked again after this time.
PAUSE_RECHECK_INTERVAL = timedelta(minutes=1)


async def hold_back(tx: Transaction, delivery: Delivery) -> bool:
    """Postpone this message if sending is paused and nobody is waiting for it. Return whether it was postponed."""
    if delivery.purpose not in HELD or not await tx.pause.is_on():
        return False
    await tx.deliveries.put_off(delivery.id, tx.planning_now + PAUSE_RECHECK_INTERVAL)
    return True


async def find_holder(
    database: Database, providers: ProviderSet, renderer: Renderer, delivery: Delivery
) -> tuple[Provider, Receipt] | None:
    """Ask the providers whether one of them already has this message, which may have been sent after the backup.

    Return the provider that has it, with its receipt, and write the provider into the message's row. Return None if no
    provider has it, ignoring those that cannot be asked. Raises Unavailable if one that can be asked does not respond.
    """
    others = [each for each in providers.list_able(delivery.channel, delivery.to) if each.name != delivery.provider]
    async with database.transaction(EVERYTHING) as tx:
        message = await renderer.render_message(tx, delivery)
    for provider in others:
        try:
            receipt = await asyncio.wait_for(provider.channel.find(message, ""), CALL_TIMEOUT)
        except (CannotAsk, TimeoutError) as error:
            if provider.channel.rules.queryable:
                raise Unavailable(f"the provider {provider.name} does not respond") from error
            continue
        if receipt:
            async with database.transaction(EVERYTHING) as tx:
                await tx.deliveries.write_call(provider.called(delivery, message, tx.now))
            return provider, receipt
    return None
