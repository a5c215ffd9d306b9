"""A poster's ticket is unique and contains no information. Its dates decide whether it may still be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.model.school.poster import Poster, PosterMode, derive_poster_ticket, hash_poster_ticket
from hub.model.signing.link import ALPHABET, TICKET_LENGTH, derive_ticket, hash_ticket

KEY, ID, NOW = b"k" * 32, UUID(int=7), datetime(2026, 11, 24, tzinfo=UTC)
POSTER = Poster(
    id=ID,
    campus="hefei",
    title="Winter",
    courses=("math-a",),
    mode=PosterMode.CONTRACT,
    created_by="staff:1",
    created_at=NOW,
    expires_at=NOW + timedelta(days=30),
    maximum=2,
)


def test_a_ticket_is_derived_and_no_link_has_it() -> None:
    ticket = derive_poster_ticket(KEY, ID)
    assert len(ticket) == TICKET_LENGTH and set(ticket) <= set(ALPHABET)
    assert ticket == derive_poster_ticket(KEY, ID) != derive_poster_ticket(b"o" * 32, ID)
    assert ticket not in {derive_ticket(KEY, ID, generation) for generation in range(3)}
    assert hash_poster_ticket(KEY, ticket) != hash_ticket(KEY, ticket)


def test_it_ends_by_its_date_or_by_being_revoked() -> None:
    assert POSTER.valid(NOW)
    assert not POSTER.valid(POSTER.expires_at)
    assert not replace(POSTER, revoked_at=NOW).valid(NOW)


def test_a_poster_is_full_at_its_maximum_if_it_has_one() -> None:
    assert [POSTER.full(enrolled) for enrolled in (0, 1, 2, 3)] == [False, False, True, True]
    assert not replace(POSTER, maximum=None).full(10_000)
