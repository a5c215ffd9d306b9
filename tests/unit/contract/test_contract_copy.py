"""Who gets a copy of a contract, and what opens it."""

from __future__ import annotations

import pytest

from hub.errors import BadInput
from hub.model.contract.contract_copy import (
    MAX_COPIES,
    MAX_WRONG_ANSWERS,
    CopyRecipient,
    CopyRole,
    KnownAddress,
    check_copies,
    choose_copies,
    is_answer_right,
    is_locked,
    read_copies,
    write_copies,
)
from hub.model.contract.signer import Role

STUDENT, OFFICE = CopyRecipient(CopyRole.STUDENT), CopyRecipient(CopyRole.OFFICE)
ARCHIVE = CopyRecipient(CopyRole.ADDRESS, "archive@school.example")
KNOWN = [KnownAddress(Role.STUDENT, "xm@home.example", "陈小满", "en")]


def test_a_template_takes_the_addresses_that_are_known() -> None:
    chosen = choose_copies((), (STUDENT, OFFICE, ARCHIVE), KNOWN, "office@school.example")
    assert [each.email for each in chosen] == ["xm@home.example", "office@school.example", ARCHIVE.email]
    assert (chosen[0].name, chosen[0].language) == ("陈小满", "en")


def test_who_has_no_address_stays_to_be_seen() -> None:
    assert [(each.role, each.email) for each in choose_copies((), (STUDENT, OFFICE), (), None)] == [
        (CopyRole.STUDENT, ""),
        (CopyRole.OFFICE, ""),
    ]


def test_what_was_entered_replaces_the_templates_role_and_nobody_gets_two() -> None:
    entered = (CopyRecipient(CopyRole.STUDENT, "Other@home.example"), CopyRecipient(CopyRole.OFFICE, ARCHIVE.email))
    chosen = choose_copies(entered, (STUDENT, ARCHIVE), KNOWN, None)
    assert [each.email for each in chosen] == ["Other@home.example", ARCHIVE.email]


@pytest.mark.parametrize(
    ("copies", "field"),
    [
        ([CopyRecipient(CopyRole.STUDENT, "no address")], "copies[0].email"),
        ([ARCHIVE, CopyRecipient(CopyRole.STUDENT, "a@b.example", "x" * 61)], "copies[1].name"),
        ([CopyRecipient(CopyRole.STUDENT, "a@b.example", language="fr")], "copies[0].language"),
        ([ARCHIVE] * (MAX_COPIES + 1), "copies"),
    ],
)
def test_what_is_entered_is_checked(copies: list[CopyRecipient], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_copies(copies)
    assert refused.value.field == field


def test_recipients_survive_being_stored() -> None:
    assert read_copies(write_copies((STUDENT, ARCHIVE))) == (STUDENT, ARCHIVE)


@pytest.mark.parametrize(
    ("number", "answer", "right"),
    [
        ("34010419990101001X", "01001x", True),
        ("34010419990101001X", " 01 001X", True),
        ("34010419990101001X", "34010419990101001X", False),
        ("E1234", "e1234", True),
        ("E1234 5678", "345678", True),
        ("E12345-678", "34 56-78", True),
        ("E１２３４５６７８", "３４５６７８", True),
        ("－ ", "", False),
        ("", "", False),
    ],
)
def test_the_end_of_the_number_is_the_answer(number: str, answer: str, right: bool) -> None:
    assert is_answer_right(number, answer) is right


def test_wrong_answers_count_for_their_own_link() -> None:
    refused = [0] * MAX_WRONG_ANSWERS + [1] * (MAX_WRONG_ANSWERS - 1)
    assert is_locked(refused, 0) and not is_locked(refused, 1)
