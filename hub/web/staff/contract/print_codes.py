"""Print QR codes for many signers: one code for each signer whose turn it is, with masked names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from hub.errors import IllegalMove
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.signing.entry.hand_out_link import WantedLink, hand_out_link
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import TaskState
from hub.model.signing.link import DoorKind
from hub.web.pages.files import data_url
from hub.web.staff.board.dashboard import link_with_filters
from hub.web.staff.board.selection import get_selected, pack
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

# The most contracts of one print: some twenty sheets.
MAX_PRINTED = 300


@dataclass(frozen=True)
class PrintedCode:
    """A code on paper. `image`: a data URL."""

    contract: Contract
    party: Party
    short_code: str
    image: str


async def ask(visit: StaffVisit) -> web.Response:
    """Show for how many signers a code would be printed, and for which contracts there is none."""
    contracts = await get_selected(visit, MAX_PRINTED)
    async with visit.services.database.transaction(visit.scope) as tx:
        cases = await tx.cases.list_cases(contracts)
    left_out = Counter(reason for case in cases if (reason := why_no_code(case)))
    return await show(
        visit,
        "staff/contract/codes_preview.html",
        contracts=pack(contracts),
        number=len(contracts),
        codes=sum(len(list_due(case)) for case in cases),
        left_out=left_out,
        most=MAX_PRINTED,
        back=link_with_filters(visit, "/staff"),
    )


async def print_codes(visit: StaffVisit) -> web.Response:
    """Show the codes on a page for printing. The record of each contract gets an entry for each code."""
    contracts = await get_selected(visit, MAX_PRINTED)
    async with visit.services.database.transaction(visit.scope) as tx:
        cases = await tx.cases.list_cases(contracts)
    codes = [code for case in cases for code in await _hand_out(visit, case)]
    async with visit.services.database.transaction(visit.scope) as tx:
        if codes:
            facts = {"contracts": len(contracts), "count": len(codes)}
            await record_act(tx, visit.staff.campus, "codes-printed", visit.actor, facts)
    back = link_with_filters(visit, "/staff")
    return await show(visit, "staff/contract/codes.html", codes=codes, back=back)


async def _hand_out(visit: StaffVisit, case: Case) -> list[PrintedCode]:
    """Return the codes of one contract; none if it has ended meanwhile."""
    codes = []
    try:
        async with visit.services.database.transaction(visit.scope) as tx:
            for party in list_due(case):
                wanted = WantedLink(case.contract.id, party.signer.id, DoorKind.QR)
                handed = await hand_out_link(visit.services, tx, wanted, visit.actor)
                image = data_url((handed.rendering.svg or "").encode(), "image/svg+xml")
                codes.append(PrintedCode(case.contract, party, handed.short_code, image))
    except IllegalMove:
        return []
    return codes


def list_due(case: Case) -> Sequence[Party]:
    """Return the parties whose turn it is to sign."""
    if case.contract.state is not ContractState.ISSUED:
        return []
    return [party for party in case.parties if party.task.state is TaskState.OPEN]


def why_no_code(case: Case) -> str | None:
    """Return why no code is printed for this contract; None if a code is printed."""
    if list_due(case):
        return None
    bound = case.contract.state in (ContractState.ISSUED, ContractState.SIGNED, ContractState.COMPLETED)
    return "signed" if bound else "ended"
