"""Copies of a completed contract: who gets one besides its signers, and what opens it. Pure.

A person gets a personal link, whose page asks for the end of the student's document number. An office or address
of the school gets a link to the console. The file itself is never attached: see ADR 34.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from hub.errors import BadInput
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.person import check_address, normalise_id_number
from hub.model.contract.signer import Role
from hub.model.messaging.message import Purpose
from hub.model.signing.link import encode_crockford

MAX_COPIES: Final = 8
MAX_COPY_NAME_LENGTH: Final = 60
COPY_LIFE: Final = timedelta(days=90)
# Characters of the student's document number that the page asks for.
ASKED_CHARACTERS: Final = 6
# Wrong answers after which a link no longer opens. Six characters have tens of thousands of values.
MAX_WRONG_ANSWERS: Final = 10
COPY_REFUSED: Final = "copy-refused"
COPY_LANGUAGES: Final = ("zh", "en")
_KEY: Final = "copy"


class CopyRole(StrEnum):
    """Who gets a copy. `OFFICE` and `ADDRESS` belong to the school: the office of the campus, a fixed address."""

    STUDENT = "student"
    GUARDIAN = "guardian"
    OFFICE = "office"
    ADDRESS = "address"

    @property
    def is_of_school(self) -> bool:
        return self in (CopyRole.OFFICE, CopyRole.ADDRESS)


@dataclass(frozen=True)
class CopyRecipient:
    """A recipient of the finished contract by e-mail. `email`: empty if a template names a role whose address is not
    known yet."""

    role: CopyRole
    email: str = ""
    name: str = ""
    language: str = "zh"

    @property
    def purpose(self) -> Purpose:
        return Purpose.OFFICE_COPY if self.role.is_of_school else Purpose.COPY


@dataclass(frozen=True)
class KnownAddress:
    """The e-mail address of a signer, which a role in a template may refer to."""

    role: Role
    email: str
    name: str
    language: str


def read_copies(kept: Iterable[Mapping[str, Any]]) -> tuple[CopyRecipient, ...]:
    """Return recipients from their JSON values, unchecked."""
    return tuple(CopyRecipient(**(dict(each) | {"role": CopyRole(each["role"])})) for each in kept)


def write_copies(copies: Iterable[CopyRecipient]) -> list[dict[str, Any]]:
    """Return recipients as JSON values."""
    return [asdict(each) | {"role": each.role.value} for each in copies]


def check_copies(copies: Sequence[CopyRecipient]) -> tuple[CopyRecipient, ...]:
    """Return the entered recipients, with their addresses checked. Raises BadInput."""
    if len(copies) > MAX_COPIES:
        raise BadInput(f"at most {MAX_COPIES} copies", field="copies")
    return tuple(_check_copy(each, f"copies[{number}]") for number, each in enumerate(copies))


def _check_copy(copy: CopyRecipient, where: str) -> CopyRecipient:
    try:
        email = check_address(copy.email)
    except BadInput as error:
        raise BadInput(error.detail, field=f"{where}.email") from None
    name = copy.name.strip()
    if len(name) > MAX_COPY_NAME_LENGTH or not name.isprintable():
        raise BadInput(f"at most {MAX_COPY_NAME_LENGTH} characters", field=f"{where}.name")
    if copy.language not in COPY_LANGUAGES:
        raise BadInput(f"language is one of {', '.join(COPY_LANGUAGES)}", field=f"{where}.language")
    return CopyRecipient(copy.role, email, name, copy.language)


def choose_copies(
    entered: Sequence[CopyRecipient],
    by_template: Sequence[CopyRecipient],
    known: Sequence[KnownAddress],
    office: str | None,
) -> tuple[CopyRecipient, ...]:
    """Return the recipients: those that were entered, and those that the template names and nobody entered.

    A role of the template without an address takes that of the signer with this role, or of the campus `office`. If
    there is none, the recipient is returned without an address, so that the issuer sees what is missing. No address
    gets two copies.
    """
    found = list(entered)
    roles = {each.role for each in entered}
    for each in by_template:
        if each.role is CopyRole.ADDRESS or each.role not in roles:
            found.append(each if each.email else _with_address(each, known, office))
    chosen: dict[str, CopyRecipient] = {}
    for each in found:
        chosen.setdefault(each.email.casefold() or f"\0{each.role}", each)
    return tuple(chosen.values())


def _with_address(copy: CopyRecipient, known: Sequence[KnownAddress], office: str | None) -> CopyRecipient:
    if copy.role is CopyRole.OFFICE:
        return CopyRecipient(copy.role, office or "", copy.name, copy.language)
    theirs = next((each for each in known if each.role.value == copy.role.value), None)
    if theirs is None:
        return copy
    return CopyRecipient(copy.role, theirs.email, copy.name or theirs.name, theirs.language)


def copies_of(contract: Contract) -> tuple[CopyRecipient, ...]:
    """Return the recipients of copies of this contract. Their position is the number in keys and tickets."""
    return read_copies(contract.data.get("copies", ()))


# ---- the message, and what opens the copy


def copy_key(contract: UUID, number: int) -> str:
    """Return the dedupe key of the e-mail to the recipient with this position (from 0)."""
    return f"{_KEY}-{contract}-{number}"


def number_in_key(key: str) -> int:
    """Return the position in a key of `copy_key`."""
    return int(key.rpartition("-")[2])


def derive_copy_ticket(key: bytes, contract: UUID, number: int) -> str:
    """Return the ticket of a copy. It has the form of a sign link's ticket, but never equals one."""
    return encode_crockford(hmac.digest(key, f"{_KEY}:{contract}:{number}".encode(), hashlib.sha256))


def find_copy(key: bytes, contract: Contract, ticket: str, now: datetime) -> int | None:
    """Return the position of the recipient whose link this is, while it is valid; otherwise None.

    Only a completed contract has copies, for COPY_LIFE after its completion. Recipients at the school open it only in
    the console.
    """
    if contract.state is not ContractState.COMPLETED or contract.completed_at is None:
        return None
    if now >= contract.completed_at + COPY_LIFE:
        return None
    found = None
    for number, each in enumerate(copies_of(contract)):
        is_it = hmac.compare_digest(derive_copy_ticket(key, contract.id, number), ticket)
        if is_it and not each.role.is_of_school:
            found = number
    return found


def is_answer_right(id_number: str, answer: str) -> bool:
    """Return whether `answer` is the end of the student's document number. Case, blanks, hyphens and full-width
    characters do not matter, in either of them: `id_number` may be as it was typed."""
    wanted = normalise_id_number(id_number)[-ASKED_CHARACTERS:]
    given = normalise_id_number(answer)
    return bool(wanted) and hmac.compare_digest(wanted.encode(), given.encode())


def is_locked(refused: Collection[int], number: int) -> bool:
    """Return whether a link had too many wrong answers. `refused`: for each wrong answer so far, the position of the
    link where it was given."""
    return sum(each == number for each in refused) >= MAX_WRONG_ANSWERS
