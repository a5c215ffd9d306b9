"""Where a seal goes, as one line of text; which findings of a keyword are meant; strips across pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hub.documents.pades.page_frame import PageFrame
from hub.documents.sealing.marks import MAX_PAGES_ACROSS, choose_findings, mark_on_page, marks_across, marks_over
from hub.errors import BadInput, ManySealFiles
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_job import (
    FILES_AT_FIRST,
    MAX_BYTES_TOGETHER,
    MAX_FILES_AT_ONCE,
    MAX_FILES_OF_HOUR,
    MAX_FILES_TOGETHER,
    MAX_OPEN_JOBS,
    RATE_WINDOW,
    SECONDS_AT_ONCE,
    ClientLoad,
    NewItem,
    SealItem,
    SealItemState,
    StorePrefix,
    check_load,
    check_prefix,
    group_files,
    plan_lease,
    safe_name,
    with_own_names,
)
from hub.model.sealing.seal_place import ALL, AcrossPages, InField, OnPage, OverKeyword, parse_seal_place

A4 = PageFrame((0, 0, 595, 842))
SIZE = (119.0, 119.0)
NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("page:3,105,200.5", OnPage(3, 105, 200.5)),
        ("page:last,1,2", OnPage(None, 1, 2)),
        ("keyword:盖章处", OverKeyword("盖章处")),
        ("keyword#2:a:b", OverKeyword("a:b", 2)),
        ("keyword#all:甲方", OverKeyword("甲方", ALL)),
        ("field:a.b", InField("a.b")),
        ("across", AcrossPages()),
        ("across:150", AcrossPages(150)),
    ],
)
def test_each_kind_of_place_is_read(text: str, place: object) -> None:
    assert parse_seal_place(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "page:0,1,1",
        "page:1,1",
        "page:1,-1,1",
        "page:1,9999,1",
        "keyword:",
        "keyword#0:a",
        "keyword#501:a",
        "field:",
        "across:x",
        "keyword:a\nb",
        "nowhere",
    ],
)
def test_a_text_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_seal_place(text)


def fault(words: OverKeyword, found: int) -> SealFault:
    with pytest.raises(CannotSeal) as raised:
        choose_findings(words, found)
    return raised.value.fault


def test_a_keyword_must_occur_once_unless_its_place_says_which() -> None:
    assert choose_findings(OverKeyword("x"), 1) == [0]
    assert choose_findings(OverKeyword("x", 2), 3) == [1]
    assert choose_findings(OverKeyword("x", ALL), 3) == [0, 1, 2]
    assert fault(OverKeyword("x"), 2) is SealFault.KEYWORD_AMBIGUOUS
    assert fault(OverKeyword("x", ALL), 0) is SealFault.KEYWORD_MISSING
    assert fault(OverKeyword("x", 4), 3) is SealFault.KEYWORD_TOO_FEW


@pytest.mark.parametrize("pages", [2, MAX_PAGES_ACROSS, MAX_PAGES_ACROSS + 1, 61])
def test_strips_make_whole_seals(pages: int) -> None:
    """Each page has one strip at its right edge; each run of strips is the whole picture."""
    marks = marks_across(AcrossPages(), SIZE, dict.fromkeys(range(pages), A4))
    assert [mark.page for mark in marks] == list(range(pages))
    assert all(mark.place[0] + mark.place[2] == pytest.approx(595) for mark in marks)
    begins = [number for number, mark in enumerate(marks) if mark.strip[0] == 0]
    for first, behind in zip(begins, [*begins[1:], pages], strict=True):
        run = marks[first:behind]
        assert 2 <= len(run) <= MAX_PAGES_ACROSS
        assert [each.strip[1] for each in run[:-1]] == [each.strip[0] for each in run[1:]]
        assert run[-1].strip[1] == 1
        assert sum(each.place[2] for each in run) == pytest.approx(SIZE[0])


def test_a_seal_over_a_keyword_stays_on_the_page_and_one_placed_off_it_is_refused() -> None:
    (moved,) = marks_over([(0, 2.0, 840.0)], SIZE, {0: A4})
    assert moved.place == (0.0, 842 - SIZE[1], *SIZE)
    with pytest.raises(CannotSeal):
        mark_on_page(OnPage(1, 2, 2), SIZE, {0: A4})


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_place_on_a_turned_page_is_found_again_as_shown(turned: int) -> None:
    frame = PageFrame((10, 20, 605, 862), turned, 2.0)
    left, bottom, right, top = frame.own((100, 200, 40, 60))
    across, down = frame.shown((left + right) / 2, (bottom + top) / 2)
    assert [across, down] == pytest.approx([120, 230])


def test_every_fault_has_both_sentences() -> None:
    assert all(fault.english.isascii() and not fault.chinese.isascii() for fault in SealFault)


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../a.pdf", "a.pdf"), ("C:\\x\\合同.pdf", "合同.pdf"), ("..", "file-7"), ('a\r\n"b', "a___b"), ("", "file-7")],
)
def test_a_file_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name, 7) == safe


@pytest.mark.parametrize("prefix", ["../a", "a/../b", "/a", "a\nb"])
def test_a_prefix_that_leads_out_of_its_store_is_refused(prefix: str) -> None:
    with pytest.raises(BadInput):
        check_prefix(StorePrefix("s", prefix), "source.prefix")


def test_a_client_with_too_many_open_jobs_or_files_is_refused() -> None:
    check_load(ClientLoad(MAX_OPEN_JOBS - 1, 0, None), MAX_FILES_OF_HOUR, NOW)
    with pytest.raises(ManySealFiles):
        check_load(ClientLoad(MAX_OPEN_JOBS, 0, None), 0, NOW)
    with pytest.raises(ManySealFiles) as raised:
        check_load(ClientLoad(0, MAX_FILES_OF_HOUR, NOW - timedelta(minutes=20)), 1, NOW)
    assert raised.value.retry_after == RATE_WINDOW - timedelta(minutes=20)


def test_each_file_of_a_job_has_a_name_of_its_own() -> None:
    given = [NewItem(name) for name in ("a.pdf", "b/A.pdf", "A.PDF", "b/a.pdf", "3-A.PDF", "a.pdf")]
    names = [item.name for item in with_own_names(given)]
    assert names == ["a.pdf", "b/A.pdf", "3-A.PDF", "b/4-a.pdf", "5-3-A.PDF", "6-a.pdf"]
    assert len({name.casefold() for name in names}) == len(names)


def test_small_files_are_prepared_together_and_a_large_one_alone() -> None:
    items = [SealItem(UUID(int=1), number, "a", "", "", SealItemState.WAITING) for number in range(40)]
    small = [len(group) for group in group_files([(item, 1000) for item in items])]
    assert small == [MAX_FILES_TOGETHER, MAX_FILES_TOGETHER, 40 - 2 * MAX_FILES_TOGETHER]
    sizes = [1000, 5 * MAX_BYTES_TOGETHER, MAX_BYTES_TOGETHER // 2, MAX_BYTES_TOGETHER // 2, 1]
    groups = group_files(list(zip(items, sizes, strict=False)))
    assert [[item.number for item in group] for group in groups] == [[0], [1], [2, 3], [4]]


def test_a_lease_takes_as_many_files_as_are_sealed_while_somebody_watches() -> None:
    assert plan_lease(FILES_AT_FIRST, 0.1) == 2 * FILES_AT_FIRST
    assert plan_lease(MAX_FILES_AT_ONCE, 0.1) == MAX_FILES_AT_ONCE
    assert plan_lease(100, 2 * SECONDS_AT_ONCE) == 50
    assert plan_lease(50, 600.0) == 1
