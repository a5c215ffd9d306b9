"""Bounds of what people and other systems enter: what is at the bound is taken, and a little more is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from channels import Fate, Message
from hub.documents.table_file import TableForm
from hub.errors import BadInput, TemplateFailed
from hub.lifecycle.contract.end import MAX_DEADLINE, check_deadline
from hub.lifecycle.contract.issue import list_companions
from hub.lifecycle.contract.new_contract import NewContract
from hub.model.contract.asked_field import (
    MAX_ANSWER_LENGTH,
    MAX_ASKED_FIELDS,
    AskedField,
    FieldKind,
    check_answers,
    read_asked_fields,
)
from hub.model.contract.contract_copy import (
    MAX_COPIES,
    MAX_COPY_NAME_LENGTH,
    MAX_WRONG_ANSWERS,
    CopyRecipient,
    CopyRole,
    check_copies,
    is_locked,
)
from hub.model.messaging.message import KINDS, MAX_PATH_LENGTH, Kind, Variable, check_variable
from hub.model.messaging.provider import MAX_PAUSE, Health
from hub.model.reports.report import MAX_DAYS, MAX_SINGLE_DAYS, ReportPeriod
from hub.model.school.course import MAX_COMPANIONS
from hub.model.sealing.seal_place import MAX_MM, MAX_PAGE, MAX_WORDS_LENGTH, parse_seal_place
from hub.model.staff.key_scopes import MAX_OVERLAP, KeyTerms, check_overlap, check_terms
from hub.model.staff.task_outcome import MAX_NOTE_LENGTH, read_end
from hub.setup.provider_trial import (
    CODE_LIFE,
    MAX_GUESSES,
    MAX_SENT,
    SEND_PAUSE,
    ProviderTrial,
    check_pause,
    take_code,
)
from hub.web.staff.board.export import MAX_XLSX_ROWS, check_number
from hub.web.staff.board.selection import read_chosen
from hub.web.staff.contract.print_codes import MAX_PRINTED
from tests.running import minor_with_guardian

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LINE = AskedField("allergies", "Allergies", kind=FieldKind.TEXT)
COPY = CopyRecipient(CopyRole.OFFICE, "office@school.example")
PATH = next(name for name, kind in KINDS.items() if kind is Kind.PATH)
TRIAL = ProviderTrial(
    Message("key", "+8613800000101", "help", "zh", "text", "one", {}, NOW), "123456", NOW, Fate.ACCEPTED
)


@dataclass(frozen=True)
class Bound:
    """`act` takes each value of `taken`, and refuses each of `refused`."""

    act: Callable[[Any], object]
    taken: tuple[Any, ...]
    refused: tuple[Any, ...]
    refusal: type[Exception] = BadInput


def asks(number: int) -> list[dict[str, str]]:
    return [{"name": f"field_{each}", "label": "x"} for each in range(number)]


def in_a_set_of(companions: int) -> NewContract:
    return replace(minor_with_guardian(), companions=[f"t{number}" for number in range(companions)])


def period(days: int) -> ReportPeriod:
    return ReportPeriod(date(2026, 1, 1), date(2026, 1, 1) + (days - 1) * DAY, "Asia/Shanghai")


BOUNDS = {
    "overlap of two secrets of a key": Bound(
        check_overlap, (timedelta(0), MAX_OVERLAP), (-SECOND, MAX_OVERLAP + SECOND)
    ),
    "end of a key": Bound(lambda at: check_terms(KeyTerms(expires_at=at), NOW), (None, NOW + SECOND), (NOW,)),
    "copies of a contract": Bound(lambda number: check_copies([COPY] * number), (0, MAX_COPIES), (MAX_COPIES + 1,)),
    "name of who gets a copy": Bound(
        lambda length: check_copies([CopyRecipient(COPY.role, COPY.email, "x" * length)]),
        (0, MAX_COPY_NAME_LENGTH),
        (MAX_COPY_NAME_LENGTH + 1,),
    ),
    "fields that a template asks": Bound(
        lambda number: read_asked_fields(asks(number)), (0, MAX_ASKED_FIELDS), (MAX_ASKED_FIELDS + 1,), ValueError
    ),
    "an answer": Bound(
        lambda length: check_answers([LINE], {LINE.name: "x" * length}, ()),
        (1, MAX_ANSWER_LENGTH),
        (MAX_ANSWER_LENGTH + 1,),
    ),
    "deadline": Bound(
        lambda at: check_deadline(at, NOW), (NOW + SECOND, NOW + MAX_DEADLINE), (NOW, NOW + MAX_DEADLINE + SECOND)
    ),
    "words over which a seal stands": Bound(
        lambda length: parse_seal_place(f"keyword:{'x' * length}"), (1, MAX_WORDS_LENGTH), (MAX_WORDS_LENGTH + 1,)
    ),
    "field in which a seal stands": Bound(
        lambda length: parse_seal_place(f"field:{'x' * length}"), (1, MAX_WORDS_LENGTH), (0, MAX_WORDS_LENGTH + 1)
    ),
    "page of a seal": Bound(lambda page: parse_seal_place(f"page:{page},1,1"), (1, MAX_PAGE), (0, MAX_PAGE + 1)),
    "millimetres": Bound(lambda mm: parse_seal_place(f"across:{mm:.1f}"), (0.0, MAX_MM), (MAX_MM + 0.1,)),
    "note of a finished task": Bound(
        lambda length: read_end("", f" {'x' * length} "), (0, MAX_NOTE_LENGTH), (MAX_NOTE_LENGTH + 1,)
    ),
    "days of a report": Bound(period, (1, MAX_DAYS), (0, MAX_DAYS + 1)),
    "guesses of a trial's code": Bound(
        lambda guesses: take_code(ProviderTrial(**vars(TRIAL) | {"guesses": guesses}), "123456", NOW),
        (0, MAX_GUESSES - 1),
        (MAX_GUESSES,),
    ),
    "life of a trial's code": Bound(
        lambda after: take_code(TRIAL, "123456", NOW + after), (SECOND, CODE_LIFE), (CODE_LIFE + SECOND,)
    ),
    "messages of a set-up": Bound(lambda sent: check_pause(sent, None, NOW), (0, MAX_SENT - 1), (MAX_SENT,)),
    "pause between them": Bound(
        lambda before: check_pause(1, NOW - before, NOW), (SEND_PAUSE,), (SEND_PAUSE - SECOND, timedelta(0))
    ),
    "contracts of a table": Bound(
        lambda number: check_number(TableForm.XLSX, number), (1, MAX_XLSX_ROWS), (0, MAX_XLSX_ROWS + 1)
    ),
    "contracts of a table as text": Bound(
        lambda number: check_number(TableForm.CSV, number), (1, MAX_XLSX_ROWS + 1), (0,)
    ),
    "documents of a set": Bound(
        lambda number: list_companions(in_a_set_of(number), None),
        (0, MAX_COMPANIONS),
        (MAX_COMPANIONS + 1,),
    ),
    "path in a message": Bound(
        lambda length: check_variable(Variable(PATH, Kind.PATH, {"zh": 1, "en": length})),
        (MAX_PATH_LENGTH,),
        (MAX_PATH_LENGTH + 1,),
        TemplateFailed,
    ),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_what_is_at_the_bound_is_taken_and_more_is_not(name: str) -> None:
    bound = BOUNDS[name]
    for value in bound.taken:
        bound.act(value)
    for value in bound.refused:
        with pytest.raises(bound.refusal):
            bound.act(value)


def test_a_report_shows_single_days_as_long_as_they_can_be_seen() -> None:
    assert not period(MAX_SINGLE_DAYS).by_week and period(MAX_SINGLE_DAYS + 1).by_week


def test_a_link_to_a_copy_is_locked_by_its_own_wrong_answers() -> None:
    assert not is_locked([1] * (MAX_WRONG_ANSWERS - 1) + [2] * MAX_WRONG_ANSWERS, 1)
    assert is_locked([1] * MAX_WRONG_ANSWERS, 1)


def test_a_provider_is_left_alone_for_as_long_as_it_says_up_to_an_hour() -> None:
    health = Health("one", 1.0, NOW)
    for asked, until in ((SECOND, SECOND), (MAX_PAUSE, MAX_PAUSE), (DAY, MAX_PAUSE)):
        assert health.pause_for(asked, NOW).usable_from(NOW) == NOW + until
    paused = health.pause_for(MAX_PAUSE, NOW)
    assert paused.pause_for(SECOND, NOW) == paused and not paused.is_paused(NOW + MAX_PAUSE)
    assert not paused.is_paused(NOW - SECOND)  # the clock was set back


def test_the_first_of_the_chosen_contracts_are_taken_each_once() -> None:
    ids = [uuid4() for _ in range(MAX_PRINTED + 1)]
    assert read_chosen([ids[0], *ids], MAX_PRINTED) == ids[:MAX_PRINTED]
    assert read_chosen(ids[1:], MAX_PRINTED) == ids[1:]
