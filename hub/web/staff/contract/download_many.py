"""Download the completed files of many contracts, PDF and OFD, as one ZIP file that is made while it is sent.

Its size is sent first, so that the browser can show the progress.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.errors import BadInput
from hub.lifecycle.contract.read_document import DOWNLOADED, open_document, open_ofd
from hub.lifecycle.evidence.school_acts import record_act
from hub.model.contract.contract import Contract, ContractState
from hub.web.http.app_keys import RATE_LIMITS
from hub.web.staff.board.dashboard import link_with_filters
from hub.web.staff.board.selection import get_selected, pack
from hub.web.staff.contract.zip_stream import MAX_ZIP_BYTES, ZipStream, compute_zip_size
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

# The most contracts in one download.
MAX_FILES = 1000
Sizes = Mapping[str, int]
# A file of a download: its contract, its name there, its SHA-256 and its size.
PackedFile = tuple[Contract, str, str, int]


async def preview_download(visit: StaffVisit, problem: BadInput | None = None) -> web.Response:
    """Show how many files there are, how large they are, and which contracts have none."""
    contracts = await get_selected(visit, MAX_FILES)
    sizes = await _sizes(visit, contracts)
    files = list_files(contracts, sizes)
    return await show(
        visit,
        "staff/contract/download_preview.html",
        contracts=pack(contracts),
        number=len(contracts),
        files=len({contract.id for contract, _, _, _ in files}),
        megabytes=round(sum(size for _, _, _, size in files) / 1e6, 1),
        left_out=Counter(reason for each in contracts if (reason := why_no_file(each, sizes))),
        most=MAX_FILES,
        back=link_with_filters(visit, "/staff"),
        problem=problem,
    )


async def download(visit: StaffVisit) -> web.StreamResponse:
    """Send the files. Before a file is sent, an entry is written to its contract's record."""
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "staff-read")
    contracts = await get_selected(visit, MAX_FILES)
    files = list_files(contracts, await _sizes(visit, contracts))
    total = compute_zip_size((name, size) for _, name, _, size in files)
    if not files or total > MAX_ZIP_BYTES:
        detail = "none of these contracts is completed" if not files else "these files are too large for one download"
        return await preview_download(visit, BadInput(detail, field="contracts"))
    async with visit.services.database.transaction(visit.scope) as tx:
        await record_act(
            tx,
            visit.staff.campus,
            "contracts-downloaded",
            visit.actor,
            {"count": len({contract.id for contract, *_ in files})},
        )
        name = f"qianda-{tx.now.astimezone(ZoneInfo(visit.zone)):%Y%m%d-%H%M}.zip"
    response = web.StreamResponse(headers={"Content-Disposition": f'attachment; filename="{name}"'})
    response.content_type, response.content_length = "application/zip", total
    await response.prepare(visit.request)
    await _send(visit, response, files)
    await response.write_eof()
    return response


async def _send(visit: StaffVisit, response: web.StreamResponse, files: Sequence[PackedFile]) -> None:
    """Send one file after the other. If a file cannot be read, close the connection, so that nobody takes the part that
    was sent for the whole download."""
    stream = ZipStream()
    for contract, name, sha256, _ in files:
        async with visit.services.database.transaction(visit.scope) as tx:
            if sha256 == contract.final_ofd_sha256:
                await open_ofd(tx, contract.id, visit.actor)
            else:
                await open_document(tx, contract.id, DOWNLOADED, visit.actor)
        content = await visit.services.files.get(sha256)
        at = (contract.completed_at or contract.created_at).astimezone(ZoneInfo(visit.zone_of(contract.campus)))
        await response.write(stream.add(name, content, at))
    await response.write(stream.end())


async def _sizes(visit: StaffVisit, contracts: Sequence[Contract]) -> Sizes:
    async with visit.services.database.transaction(visit.scope) as tx:
        hashes = [sha256 for each in contracts for sha256 in (each.document, each.final_ofd_sha256) if sha256]
        return await tx.contracts.get_file_sizes(hashes)


def list_files(contracts: Sequence[Contract], sizes: Sizes) -> list[PackedFile]:
    """Return the completed files of the contracts that have one: the PDF, followed by the OFD if there is one."""
    files = []
    for each in contracts:
        if why_no_file(each, sizes) is None:
            named = ((f"{each.number}.pdf", each.document), (f"{each.number}.ofd", each.final_ofd_sha256))
            files += [(each, name, sha256, sizes[sha256]) for name, sha256 in named if sha256 and sha256 in sizes]
    return files


def why_no_file(contract: Contract, sizes: Mapping[str, Any]) -> str | None:
    """Return why a contract has no completed file; None if it has one."""
    if contract.state is ContractState.COMPLETED:
        return None if contract.document in sizes else "erased"
    return "ended" if contract.state.final else "unfinished"
