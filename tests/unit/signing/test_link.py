"""Tickets: derived, short enough for a small QR code, and tolerant of how people type them."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as some

from hub.model.signing.link import ALPHABET, derive_ticket, format_ticket, hash_ticket, normalise_ticket

KEY = b"k" * 32


@given(some.uuids(), some.integers(1, 9))
def test_a_ticket_is_thirteen_characters_and_comes_back_from_what_people_type(link: UUID, generation: int) -> None:
    ticket = derive_ticket(KEY, link, generation)
    assert len(ticket) == 13 and set(ticket) <= set(ALPHABET)
    for typed in (ticket, ticket.lower(), format_ticket(ticket), f" {format_ticket(ticket).lower()} "):
        assert normalise_ticket(typed) == ticket
    assert normalise_ticket(ticket.replace("0", "O").replace("1", "l")) == ticket


def test_another_key_link_or_generation_makes_another_ticket() -> None:
    link = uuid4()
    tickets = {derive_ticket(KEY, link, 1), derive_ticket(KEY, link, 2), derive_ticket(b"x" * 32, link, 1)}
    tickets.add(derive_ticket(KEY, uuid4(), 1))
    assert len(tickets) == 4


def test_the_ticket_is_the_first_65_bits_of_the_hmac() -> None:
    link = UUID(int=7)
    bits = int.from_bytes(hmac.digest(KEY, link.bytes + b"\0\0\0\x01", hashlib.sha256), "big") >> (256 - 65)
    digits = [ALPHABET[(bits >> (5 * place)) % 32] for place in range(12, -1, -1)]
    assert derive_ticket(KEY, link, 1) == "".join(digits)


WRONG = ["", "x", "0123456789ABCD", "0123456789AB", "01234 6789ABC", "0123456789ABU", "é" * 13]


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_a_ticket_is_none(text: str) -> None:
    assert normalise_ticket(text) is None


def test_the_database_keeps_a_keyed_hash() -> None:
    assert hash_ticket(KEY, "0" * 13) != hash_ticket(b"x" * 32, "0" * 13)
