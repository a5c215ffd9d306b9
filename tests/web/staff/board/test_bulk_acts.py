"""Acts on many contracts from the board: previews, permissions, foreign campuses, and what is taken out."""

from __future__ import annotations

import csv
import html
import io
import re
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from hub.documents.contract.wording import day as date_in_words
from hub.lifecycle.board.bulk_acts import run_bulk_act
from hub.lifecycle.contract.end import expire, void
from hub.model.contract.contract import Contract, ContractState
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.store.board.board_filter import BoardSort
from hub.web.staff.board import export
from hub.web.staff.contract.zip_stream import MAX_ZIP_BYTES, compute_zip_size
from tests.database import tamper
from tests.lent_hubs import lent_hub
from tests.lifecycle.people import father, mother
from tests.lifecycle.signer import completed, signed
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Another system's id that would be a formula.
FORMULA = "=HYPERLINK(1)"


@dataclass(frozen=True)
class Story:
    """A hub with a completed, an expired, a withdrawn contract and three that are to be signed."""

    running: Running
    console: ConsoleBrowser
    due: list[Contract]
    done: Contract
    past: Contract
    gone: Contract

    @property
    def all(self) -> list[tuple[str, str]]:
        return chosen(*self.due, self.done, self.past, self.gone)

    async def state(self, contract: Contract) -> Contract:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return await tx.contracts.get(contract.id)

    async def run(self, page: Page) -> Page:
        """Do what a worker does with the act to which this answer leads. Return the page of the act."""
        assert page.status == 303, page.words
        await run_bulk_act(self.running.hub.services, UUID(page.location.rpartition("/")[2]))
        return await self.console.get(page.location)

    async def kinds(self, contract: Contract) -> list[str]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [entry.kind for entry in await tx.record.list_entries(contract.id)]

    async def school_acts(self, kind: str) -> int:
        return [entry.kind for entry in await self.running.school_record()].count(kind)


def chosen(*contracts: Contract) -> list[tuple[str, str]]:
    return [("contract", str(each.id)) for each in contracts]


def hidden(page: Page) -> dict[str, str]:
    """Return the hidden fields of a preview."""
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    return {name: html.unescape(value) for name, value in fields}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story() -> AsyncIterator[Story]:
    async with lent_hub(with_worker=False) as running:
        services = running.hub.services
        done = await running.issue_minor(external_id=FORMULA)
        await signed(running, done)
        await completed(running, done)
        past, gone = await running.issue_minor(), await running.issue_minor()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await expire(services, tx, await tx.contracts.lock_contract(past.id))
        await void(services, EVERYTHING, gone.id, "test", "test")
        due = [await running.issue_minor() for _ in range(3)]
        await add_staff(running, "legal", "hefei", role=StaffRole.LEGAL)
        await add_staff(running, "elsewhere", "beijing")
        yield Story(running, await console_of(running), due, done, past, gone)


async def test_every_row_can_be_chosen_also_past_its_deadline(story: Story) -> None:
    page = await story.console.get("/staff?state=EXPIRED")
    assert f'name="contract"\n        value="{story.past.id}"' in page.text and "Extend the deadline…" in page.words


async def test_a_preview_says_how_many_which_not_why_and_who(story: Story) -> None:
    page = await story.console.post("/staff/extend/preview?view=pending", story.all)
    assert "Extend the deadline: 4 of 6 contracts" in page.words  # the suggested day is later than that of any
    day = (story.running.clock() + timedelta(days=90)).date().isoformat()
    page = await story.console.post("/staff/extend/preview?view=pending", [*story.all, ("deadline", day)])
    for words in (
        "Extend the deadline: 4 of 6 contracts",
        "3 to get the new deadline",
        "1 expired: to be replaced by a new contract with this deadline",
        "1 left out: everybody has signed",
        "1 left out: ended already",
    ):
        assert words in page.words
    assert page.text.count("陈小满") == 6 and 'href="/staff?view=pending"' in page.text
    assert (await story.state(story.due[0])).deadline == story.due[0].deadline


async def test_deadlines_move_for_whoever_may(story: Story) -> None:
    day = (story.running.clock() + timedelta(days=90)).date().isoformat()
    legal = await console_of(story.running, "legal")
    form = [*chosen(story.due[0], story.past), ("deadline", day)]
    page = await legal.post("/staff/extend/preview", form)
    assert "left out: expired, and your role may not issue it again" in page.words
    form = [("contracts", hidden(page)["contracts"]), ("act", hidden(page)["act"]), ("deadline", day)]
    begun = await legal.post("/staff/extend", form)
    assert (await legal.post("/staff/extend", form)).location == begun.location  # a second click
    shown = await story.run(begun)
    assert "Extend the deadline: done with all 2" in shown.words and "1 with the new deadline" in shown.words
    assert f"New deadline: {date_in_words(date.fromisoformat(day), 'en')}" in shown.words
    assert await story.school_acts("contracts-extended") == 1
    assert (await story.kinds(story.due[0])).count("deadline-moved") == 1
    assert (await story.state(story.past)).replaced_by is None
    begun = await story.console.post("/staff/extend", [*chosen(story.past), ("deadline", day), new_act()])
    shown = await story.run(begun)
    fresh = (await story.state(story.past)).replaced_by
    assert fresh and f'href="/staff/contracts/{fresh}"' in shown.text
    for entered, words in (("2020-01-01", "in the future"), ("soon", "a date like"), ("", "a date like")):
        refused = await story.console.post("/staff/extend", [*chosen(story.due[1]), ("deadline", entered), new_act()])
        assert refused.status == 422 and words in refused.words, entered


def new_act() -> tuple[str, str]:
    return ("act", str(uuid4()))


async def test_contracts_are_withdrawn_with_a_reason(story: Story) -> None:
    page = await story.console.post("/staff/void/preview", chosen(story.due[2], story.done))
    assert "Withdraw contracts: 1 of 2 contracts" in page.words and "cannot be undone" in page.words
    form = [("contracts", hidden(page)["contracts"]), ("act", hidden(page)["act"])]
    refused = await story.console.post("/staff/void", [*form, ("reason", " ")])
    assert refused.status == 422 and (await story.state(story.due[2])).state is ContractState.ISSUED
    shown = await story.run(await story.console.post("/staff/void", [*form, ("reason", "课程取消")]))
    assert "1 withdrawn now" in shown.words and "left out: everybody has signed" in shown.words
    assert (await story.state(story.due[2])).state is ContractState.VOIDED
    assert "Acts on many contracts today" in (await story.console.get("/staff")).words


async def test_a_preview_says_how_many_were_signed_by_somebody(story: Story) -> None:
    running, note = story.running, "In 1 of them somebody has signed already."
    half = await running.issue_minor(signers=(father(1), mother(2)), send="none")
    await signed(running, half)
    for kind, contracts, said in (
        ("void", (half, story.due[0], story.done), True),
        ("reissue", (half,), True),
        ("extend", (half,), False),
        ("void", (story.due[0], story.done), False),
    ):
        page = await story.console.post(f"/staff/{kind}/preview", chosen(*contracts))
        assert (note in page.words) is said, (kind, len(contracts))


async def test_contracts_are_issued_anew(story: Story) -> None:
    page = await story.console.post("/staff/reissue/preview", chosen(story.due[1]))
    assert "Everybody signs again" in page.words
    shown = await story.run(await story.console.post("/staff/reissue", hidden(page)))
    fresh = (await story.state(story.due[1])).replaced_by
    assert fresh and "to the new contract" in shown.words


@pytest.mark.parametrize("act", ["extend", "reissue", "void", "codes", "download", "export"])
async def test_a_foreign_campus_is_unknown_and_nothing_chosen_is_said(story: Story, act: str) -> None:
    foreign = await console_of(story.running, "elsewhere")
    theirs_chosen = chosen(story.due[0])
    theirs = await foreign.post(f"/staff/{act}/preview", theirs_chosen)
    nothing = await foreign.post(f"/staff/{act}/preview", {"contract": "00000000-0000-4000-8000-000000000000"})
    assert theirs.status == nothing.status == 404 and theirs.words == nothing.words
    more = [("act", "00000000-0000-4000-8000-000000000001"), ("reason", "x"), ("deadline", "2027-01-01")]
    assert (await foreign.post(f"/staff/{act}", [*theirs_chosen, *more, ("form", "csv")])).status == 404
    for campus, form in (("", {}), ("?campus=beijing", {"fitting": "1"})):  # all that are shown, where there are none
        page = await story.console.post(f"/staff/{act}/preview{campus}", form)
        assert page.status in (200, 422) and "No contract was selected." in page.words


async def test_codes_are_printed_with_masked_names(story: Story) -> None:
    page = await story.console.post("/staff/codes/preview", chosen(story.due[0], story.done, story.gone))
    assert "1 codes of 3 contracts" in page.words and "left out: nobody has to sign any more" in page.words
    before = (await story.kinds(story.due[0])).count("link-handed-out")
    sheet = await story.console.post("/staff/codes", hidden(page))
    assert sheet.text.count("data:image/svg+xml;base64,") == 1 and story.due[0].number in sheet.text
    assert "陈建国" not in sheet.text and "陈小满" not in sheet.text and "陈*国" in sheet.text
    assert (await story.kinds(story.due[0])).count("link-handed-out") == before + 1
    assert await story.school_acts("codes-printed") == 1


async def test_completed_files_come_as_one_zip_of_known_size(story: Story) -> None:
    page = await story.console.post("/staff/download/preview", story.all)
    assert "Download completed contracts: 1 of 6" in page.words
    content, headers = await raw(story, "/staff/download", hidden(page))
    assert headers["Content-Type"] == "application/zip" and int(headers["Content-Length"]) == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        (name,) = found.namelist()
        assert name == f"{story.done.number}.pdf" and found.read(name).startswith(b"%PDF-")
    assert "downloaded-by-staff" in await story.kinds(story.done)
    none = await story.console.post("/staff/download", chosen(story.due[0]))
    assert none.status == 422 and "none of these contracts is completed" in none.words


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 422)])
async def test_a_zip_is_as_large_as_old_programs_can_read(story: Story, more: int, status: int) -> None:
    whole = MAX_ZIP_BYTES - compute_zip_size([(f"{story.done.number}.pdf", 0)])
    sha256 = (await story.state(story.done)).document or ""
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        size = (await tx.contracts.get_file_sizes([sha256]))[sha256]
    headers = {"Cookie": f"__Host-qianda-staff={story.console.cookie}; qianda-language=en"}
    url, resize = f"{story.running.origin}/staff/download", "UPDATE document_version SET size = $1 WHERE sha256 = $2"
    await tamper(story.running.hub.database.dsn, resize, whole + more, sha256)
    try:
        headers |= {"Origin": story.running.origin}
        async with story.running.http.post(url, data=chosen(story.done), headers=headers) as answer:
            assert answer.status == status
            if more:
                assert "these files are too large for one download" in await answer.text()
            else:  # it is not read to its end, which never comes
                assert answer.content_length == MAX_ZIP_BYTES
    finally:
        await tamper(story.running.hub.database.dsn, resize, size, sha256)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_a_table_is_taken_out_without_numbers_and_formulas(story: Story, form: str) -> None:
    page = await story.console.post("/staff/export/preview?campus=hefei", {"fitting": "1"})
    number = re.search(r"Export a table: (\d+) contracts", page.words)
    assert number and "Your id" in page.words
    content, headers = await raw(story, "/staff/export?campus=hefei", {"fitting": "1", "form": form})
    assert headers["Content-Disposition"].endswith(f'.{form}"')
    if form == "csv":
        assert content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        assert len(rows) == int(number[1]) + 1 and rows[0][0] == "Contract number"
        mine = next(row for row in rows if row[0] == story.done.number)
        assert mine[1] == "陈小满" and mine[4] == "completed" and mine[-1] == f"'{FORMULA}"
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            texts = book.read("xl/sharedStrings.xml").decode() if "xl/sharedStrings.xml" in book.namelist() else ""
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert sheet.count("<row ") == int(number[1]) + 1 and "<f>" not in sheet and FORMULA in sheet + texts
    assert await story.school_acts("contracts-exported") >= 1


@pytest.mark.parametrize("sort", BoardSort)
async def test_a_table_has_the_order_of_the_board(
    story: Story, sort: BoardSort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    page = await story.console.get(f"/staff?sort={sort}")
    (preview,) = set(re.findall(r'formaction="(/staff/export/preview[^"]*)"', page.text))
    address = html.unescape(preview).replace("/preview", "")
    content, _ = await raw(story, address, {"fitting": "1", "form": "csv"})
    numbers = [row[0] for row in list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:]]
    assert len(numbers) >= 6 and numbers == sorted(numbers, key=page.words.index)


async def raw(story: Story, path: str, form: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return the bytes of an answer to a form, and its headers."""
    headers = {"Cookie": f"__Host-qianda-staff={story.console.cookie}; qianda-language=en"}
    origin = story.running.origin
    async with story.running.http.post(origin + path, data=form, headers=headers | {"Origin": origin}) as answer:
        assert answer.status == 200, await answer.text()
        assert urlsplit(str(answer.url)).path == urlsplit(path).path
        return await answer.read(), dict(answer.headers)
