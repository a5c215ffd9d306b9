"""Which contracts the board shows, and in which order."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Select,
    Uuid,
    and_,
    any_,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from hub.errors import BadInput
from hub.model.contract.person import normalise_phone
from hub.model.messaging.delivery import DeliveryState
from hub.store.encryption.cipher import Cipher
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as TASK
from hub.store.tables.messaging import DELIVERY, DELIVERY_SHARE as SHARE

# How many last characters of a phone number or identity document are searched for.
TAIL = 4
# A text with this many digits is not searched for as a name.
MIN_NUMBER_DIGITS = 3
# A text with fewer digits is not searched for as a phone number.
MIN_PHONE_DIGITS = 7
_FAILED = tuple(state.value for state in (DeliveryState.UNDELIVERED, DeliveryState.REFUSED))
_DELIVERED = DeliveryState.DELIVERED.value
_SEEN = [DELIVERY.c[name] for name in ("channel", "state", "state_at", "created_at", "not_before")]
_OWN = select(DELIVERY.c.contract, DELIVERY.c.purpose, *_SEEN).where(DELIVERY.c.purpose != "code")
_SHARED = (
    select(SHARE.c.contract, SHARE.c.purpose, *_SEEN)
    .join(DELIVERY, DELIVERY.c.id == SHARE.c.delivery)
    .where(SHARE.c.contract != DELIVERY.c.contract)
)
# Each message appears once for every contract that it is about.
MESSAGE = union_all(_OWN, _SHARED).subquery("said")


class BoardSort(StrEnum):
    """What the board is sorted by. `NEWEST` is descending, the others ascending."""

    NEWEST = "newest"
    DEADLINE = "deadline"
    NAME = "name"


SORT_COLUMNS: dict[BoardSort, ColumnElement[Any]] = {
    BoardSort.NEWEST: CONTRACT.c.created_at,
    BoardSort.DEADLINE: CONTRACT.c.deadline,
    BoardSort.NAME: CONTRACT.c.student_name,
}


@dataclass(frozen=True)
class BoardFilter:
    """What staff search for.

    `view`: pending, reached, opened, unreached, overdue or stuck. `state`: of a contract. `deadline_before`: the
    deadline is earlier. `channel`, `receipt`: at least one message went by this channel, or has this state.
    `silent_since`: no message has been written since. `search`: a name, the end of a number, another system's id,
    a phone number, or the last four characters of a phone or identity document. `now`: on the planning clock.
    `ids`: these alone.
    """

    view: str | None = None
    state: str | None = None
    course: str | None = None
    created_before: datetime | None = None
    deadline_before: datetime | None = None
    silent_since: datetime | None = None
    channel: str | None = None
    receipt: str | None = None
    search: str | None = None
    now: datetime | None = None
    ids: tuple[UUID, ...] | None = None

    def conditions(self, cipher: Cipher) -> Iterable[ColumnElement[bool]]:
        if self.ids is not None:
            yield CONTRACT.c.id == any_(literal(list(self.ids), ARRAY(Uuid())))
        if self.view in VIEWS:
            yield VIEWS[self.view]()
        if self.view == "overdue":
            yield _is_one_of(select(CONTRACT.c.id).where(is_pending(), CONTRACT.c.deadline < self.now))
        if self.state:
            yield CONTRACT.c.state == self.state
        if self.course:
            yield CONTRACT.c.course == self.course
        if self.created_before:
            yield CONTRACT.c.created_at < self.created_before
        if self.deadline_before:
            yield CONTRACT.c.deadline < self.deadline_before
        yield from self._about_messages()
        if self.search and self.search.strip():
            yield _is_one_of(_found(self.search.strip(), cipher))

    def _about_messages(self) -> Iterable[ColumnElement[bool]]:
        if self.silent_since:
            yield not_(_has_message(DELIVERY.c.created_at >= self.silent_since))
        told = [DELIVERY.c.channel == self.channel] if self.channel else []
        told += [DELIVERY.c.state == self.receipt] if self.receipt else []
        if told:
            yield _has_message(*told)


def _has_message(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a contract has a message that meets these conditions, its own or a shared one."""
    return or_(
        _OWN.where(DELIVERY.c.contract == CONTRACT.c.id, *conditions).correlate(CONTRACT).exists(),
        _SHARED.where(SHARE.c.contract == CONTRACT.c.id, *conditions).correlate(CONTRACT).exists(),
    )


def _is_one_of(ids: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
    """Return the condition that a contract is among these ids, which are found first, as an array.

    For `IN`, the database sometimes expects far more rows than there are, and then checks all contracts one by one.
    """
    return CONTRACT.c.id == any_(func.array(ids.scalar_subquery()))


def is_pending() -> ColumnElement[bool]:
    # Written into the text as a constant, so that the partial index of pending contracts can be used.
    return CONTRACT.c.state == literal("ISSUED", literal_execute=True)


def _unreached() -> ColumnElement[bool]:
    failed = select(MESSAGE.c.contract).where(MESSAGE.c.state.in_(_FAILED))
    return and_(is_pending(), _is_one_of(failed), not_(_delivered()))


def _delivered() -> ColumnElement[bool]:
    return _has_message(DELIVERY.c.state == _DELIVERED)


def _opened() -> ColumnElement[bool]:
    return exists().where(TASK.c.contract == CONTRACT.c.id, TASK.c.opened_at.is_not(None))


VIEWS: dict[str, Callable[[], ColumnElement[bool]]] = {
    "pending": is_pending,
    "reached": lambda: and_(is_pending(), _delivered()),
    "opened": lambda: and_(is_pending(), _opened()),
    "unreached": _unreached,
    "stuck": lambda: CONTRACT.c.stuck_since.is_not(None),
}


def _found(text: str, cipher: Cipher) -> CompoundSelect[Any]:
    """Select the ids of contracts that a text could mean. A number is found by its end, a name by any part of it."""
    ways: list[Select[Any]] = [select(CONTRACT.c.id).where(CONTRACT.c.external_id == text)]
    if (phone := _phone(text)) is not None:  # no other number and no name contains a phone number
        ways.append(select(SIGNER.c.contract).where(SIGNER.c.phone_hash == cipher.found_by("phone", phone)))
        return union_all(*ways)
    if len(text) == TAIL:
        ways.append(select(SIGNER.c.contract).where(SIGNER.c.id_tail_hash == cipher.found_by("id-tail", text.upper())))
        ways.append(select(SIGNER.c.contract).where(SIGNER.c.phone_tail_hash == cipher.found_by("phone-tail", text)))
    digits = sum(character.isdigit() for character in text)
    if digits:
        ways.append(select(CONTRACT.c.id).where(_ends_with(text)))
    if digits < MIN_NUMBER_DIGITS:
        ways.append(select(CONTRACT.c.id).where(CONTRACT.c.student_name.icontains(text, autoescape=True)))
        ways.append(select(SIGNER.c.contract).where(SIGNER.c.name.icontains(text, autoescape=True)))
    return union_all(*ways)


def _ends_with(text: str) -> ColumnElement[bool]:
    """Return the condition that a contract's number ends with this text."""
    beginning = text.upper()[::-1]
    return and_(CONTRACT.c.number_reversed >= beginning, CONTRACT.c.number_reversed < beginning + chr(sys.maxunicode))


def _phone(text: str) -> str | None:
    """Return the phone number that a person may have typed, spaces and dashes included, or None."""
    digits = sum(character.isdigit() for character in text)
    if digits < MIN_PHONE_DIGITS or any(unicodedata.category(each).startswith("L") for each in text):
        return None
    try:
        return normalise_phone(text)
    except BadInput:
        return None
