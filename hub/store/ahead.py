"""What the due steps of many tasks are going to ask, read in a few statements for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hub.model.contract.signer import Signer
from hub.store.contract.tasks import ClaimedTask
from hub.store.joint import Joint, NotTogether
from hub.store.unit import Unit

LONGEST_DAY = timedelta(hours=26)
"""A day on the wall has 25 hours when summer time ends."""


async def foresee_steps(unit: Unit, claimed: Sequence[ClaimedTask]) -> list[ClaimedTask]:
    """Lock what these steps need and read what they ask, in a joint unit. Returns the steps for which that was
    possible: of two of one contract or person the first, and none whose contract somebody else holds."""
    ahead = unit.connection
    if not isinstance(ahead, Joint):
        raise NotTogether("this unit is not a joint one")
    wanted = {each.task.contract: each for each in reversed(claimed)}
    contracts = await unit.contracts.foresee(ahead, list(wanted))
    mine = [wanted[contract.id] for contract in contracts]
    await unit.tasks.foresee(ahead, [each.task.contract for each in mine], mine)
    held = [each for each in mine if ahead.get("claim", each.task.id) == each.leased_until]
    signers = {each.task.id: await unit.contracts.signer(each.task.signer) for each in held}
    steps = list({signers[each.task.id].person: each for each in held}.values())
    if steps:
        ours = {each.task.contract for each in steps}
        await _foresee_answers(unit, ahead, [signers[each.task.id] for each in steps])
        await unit.policies.foresee(ahead, [each for each in contracts if each.id in ours])
    return steps


async def _foresee_answers(unit: Unit, ahead: Joint, signers: Sequence[Signer]) -> None:
    contracts = [each.contract for each in signers]
    persons = [each.person for each in signers]
    await unit.sessions.foresee(ahead, persons)
    await unit.deliveries.foresee(ahead, contracts, persons, await unit.planning_now() - LONGEST_DAY)
    await unit.opt_outs.foresee(ahead, {each.phone for each in signers})
    await unit.school.foresee(ahead, {each.campus for each in signers})
    await unit.links.foresee(ahead, [each.id for each in signers])
    await unit.record.foresee(ahead, contracts)
