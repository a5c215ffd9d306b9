"""What the due steps of many tasks are going to ask, read in a few statements for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hub.model.contract.signer import Signer
from hub.store.contract.tasks import ClaimedTask
from hub.store.joint import Joint, NotTogether
from hub.store.transaction import Transaction

# A day on the wall has 25 hours when summer time ends.
MAX_DAY = timedelta(hours=26)


async def foresee_steps(tx: Transaction, claimed: Sequence[ClaimedTask]) -> list[ClaimedTask]:
    """Lock what these steps need and read what they ask, in a joint unit. Returns the steps for which that was
    possible: of two of one contract or person the first, and none whose contract somebody else holds."""
    ahead = tx.connection
    if not isinstance(ahead, Joint):
        raise NotTogether("this unit is not a joint one")
    wanted = {each.task.contract: each for each in reversed(claimed)}
    contracts = await tx.contracts.foresee(ahead, list(wanted))
    mine = [wanted[contract.id] for contract in contracts]
    await tx.tasks.foresee(ahead, [each.task.contract for each in mine], mine)
    held = [each for each in mine if ahead.get("claim", each.task.id) == each.leased_until]
    signers = {each.task.id: await tx.contracts.signer(each.task.signer) for each in held}
    steps = list({signers[each.task.id].person: each for each in held}.values())
    if steps:
        ours = {each.task.contract for each in steps}
        await _foresee_answers(tx, ahead, [signers[each.task.id] for each in steps])
        await tx.policies.foresee(ahead, [each for each in contracts if each.id in ours])
    return steps


async def _foresee_answers(tx: Transaction, ahead: Joint, signers: Sequence[Signer]) -> None:
    contracts = [each.contract for each in signers]
    persons = [each.person for each in signers]
    await tx.sessions.foresee(ahead, persons)
    await tx.deliveries.foresee(ahead, contracts, persons, tx.planning_now - MAX_DAY)
    await tx.opt_outs.foresee(ahead, {each.phone for each in signers})
    await tx.school.foresee(ahead, {each.campus for each in signers})
    await tx.links.foresee(ahead, [each.id for each in signers])
    await tx.record.foresee(ahead, contracts)
