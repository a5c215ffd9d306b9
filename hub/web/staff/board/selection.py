"""Read which contracts of the board an act is about: those chosen one by one, or all that match the filters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from hub.errors import NotFound
from hub.model.contract.contract import Contract
from hub.store.board.board_filter import BoardFilter
from hub.web.http.ids import read_id
from hub.web.staff.board.dashboard import wanted_of
from hub.web.staff.staff.access import StaffVisit

FITTING = "fitting"


async def read_selected(visit: StaffVisit, most: int) -> list[UUID]:
    """Return the ids of at most `most` chosen contracts. Raises NotFound for an invalid id, BadInput for a filter."""
    form = await visit.request.post()
    if FITTING in form:
        async with visit.services.database.transaction(visit.shown) as tx:
            return await tx.board.list_ids(wanted_of(visit, tx.planning_now), most)
    return read_chosen([*form.getall("contract", []), *str(form.get("contracts", "")).split()], most)


def read_chosen(values: Iterable[object], most: int) -> list[UUID]:
    """Return the first `most` of the ids that were chosen one by one, each once. Raises NotFound for an invalid id."""
    return list(dict.fromkeys(read_id(str(value)) for value in values))[:most]


async def get_selected(visit: StaffVisit, most: int) -> list[Contract]:
    """Return the chosen contracts, in their order. Raises NotFound, also if one of them is outside the scope."""
    chosen = await read_selected(visit, most)
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.contracts.get_many(chosen)
    if len(found) < len(chosen):
        raise NotFound
    return [found[each] for each in chosen]


def pack(contracts: Sequence[Contract]) -> str:
    """Return these contracts as the value of one hidden field, `contracts`."""
    return " ".join(str(each.id) for each in contracts)


def describe_filter(wanted: BoardFilter) -> dict[str, str]:
    """Return the filters that are set, for the record, but never the text of a search, which may name a person."""
    named = ("view", "state", "course", "channel", "receipt")
    facts = {name: str(value) for name in named if (value := getattr(wanted, name))}
    return facts | ({"search": "yes"} if wanted.search else {})
