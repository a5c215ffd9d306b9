"""Find the people who match a search, and all rows about one of them, within a scope.

Signers are found by keyed hashes. Students who do not sign, and the people of enrolments, are only in encrypted JSON.
All of it is read, a few rows at a time and a few times over: this takes some seconds for twenty thousand rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import ARRAY, BindParameter, LargeBinary, Text, Uuid, any_, bindparam, select, text
from sqlalchemy.types import TypeEngine

from hub.errors import BadInput
from hub.model.contract.contract import ContractState
from hub.model.contract.person import is_phone, normalise_id_number, normalise_phone
from hub.model.evidence.person_data import ERASED, KnownPerson, PersonInContract, SoughtPerson, list_people
from hub.store.contract.contracts import Contracts
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import CONTRACT, SIGNER
from hub.store.tables.inbound import INBOUND_MESSAGE as INBOUND
from hub.store.tables.school import ENROLMENT, ISSUE_ACT as ACT, ISSUE_ITEM as ITEM

ROWS_AT_ONCE = 200
_DATA, _PEOPLE = EncryptedColumn.of(CONTRACT.c.data_sealed), EncryptedColumn.of(ENROLMENT.c.people_sealed)
_REPLACEMENT = EncryptedColumn.of(ITEM.c.replacement_sealed)
_TEXT = EncryptedColumn.of(INBOUND.c.text_sealed)
_SHOWN = (
    *("number", "campus", "state", "title", "created_at", "completed_at", "ended_at"),
    *("document", "enrolment", "template"),
)
_CONTRACT_OF_SIGNER = [CONTRACT.c[name].label(f"contract_{name}") for name in _SHOWN]
_SIGNERS = select(SIGNER, *_CONTRACT_OF_SIGNER).join(CONTRACT, CONTRACT.c.id == SIGNER.c.contract)
_ALL_SIGNERS = SqlStatement(_SIGNERS.order_by(CONTRACT.c.created_at, SIGNER.c.id))
_BY_PHONE, _BY_TAIL = (
    SqlStatement(
        _SIGNERS.where(column == bindparam("hash")).order_by(CONTRACT.c.created_at, SIGNER.c.id), plans_for_values=True
    )
    for column in (SIGNER.c.phone_hash, SIGNER.c.id_tail_hash)
)
_CONTRACTS = SqlStatement(select(CONTRACT.c.id, CONTRACT.c.data_sealed, *(CONTRACT.c[name] for name in _SHOWN)))
_ENROLMENTS = SqlStatement(select(ENROLMENT).order_by(ENROLMENT.c.created_at))
_REPLACEMENTS = SqlStatement(
    select(ITEM, ACT.c.asked_at)
    .join(ACT, ACT.c.id == ITEM.c.act)
    .where(ITEM.c.replacement_sealed.is_not(None))
    .order_by(ACT.c.asked_at)
)
_WROTE = SqlStatement(
    select(INBOUND)
    .where(INBOUND.c.sender_hash == any_(bindparam("phones", type_=ARRAY(LargeBinary()))))
    .order_by(INBOUND.c.received_at)
)


def _by(sql: str) -> SqlStatement:
    """Return a statement about one person. `:signers` and `:contracts` are ids, `:phones` keyed hashes, `:persons` the
    hub's keys for the person."""
    types: dict[str, TypeEngine[Any]] = {
        "signers": Uuid(),
        "contracts": Uuid(),
        "phones": LargeBinary(),
        "persons": Text(),
    }
    used: list[BindParameter[Any]] = [
        bindparam(name, type_=ARRAY(kind)) for name, kind in types.items() if f":{name}" in sql
    ]
    return SqlStatement(text(sql).bindparams(*used), plans_for_values=True)


# The columns that are shown, by kind of row. The texts of messages are left out, because they name other people.
_OTHERS: Mapping[str, SqlStatement] = {
    "messages_to_them": _by(
        "SELECT id, purpose, channel, state, created_at, state_at FROM delivery"
        " WHERE signer = ANY(:signers) OR to_hash = ANY(:phones) ORDER BY created_at"
    ),
    "copies_of_their_contracts": _by(
        "SELECT id, contract, purpose, state, created_at, state_at FROM delivery"
        " WHERE contract = ANY(:contracts) AND purpose IN ('copy', 'office-copy') ORDER BY created_at"
    ),
    "guest_sessions": _by(
        "SELECT id, door, created_at, expires_at, verified_at FROM visitor WHERE phone_hash = ANY(:phones)"
    ),
    "signing_sessions": _by(
        "SELECT id, contract, created_at, expires_at, verified_at, custody FROM signing_session"
        " WHERE signer = ANY(:signers) ORDER BY created_at"
    ),
    "identity_checks": _by(
        "SELECT id, contract, provider, method, result, at FROM identity_check WHERE signer = ANY(:signers) ORDER BY at"
    ),
    "passkeys": _by("SELECT id, created_at, used_at, ended_at FROM passkey WHERE person = ANY(:persons)"),
    "device_keys": _by(
        "SELECT id, platform, app, level, bound_at, used_at, revoked_at FROM app_key WHERE person = ANY(:persons)"
    ),
    "certificates": _by(
        "SELECT serial, authority, issued_at, not_after, revoked_at FROM issued_certificate"
        " WHERE signer = ANY(:signers) ORDER BY issued_at"
    ),
    "phone_changes": _by(
        "SELECT id, contract, state, asked_at, ended_at FROM phone_change WHERE signer = ANY(:signers)"
    ),
    "staff_tasks": _by(
        "SELECT id, kind, contract, created_at, done_at, outcome FROM staff_task WHERE signer = ANY(:signers)"
        " OR signer IS NULL AND contract = ANY(:contracts) ORDER BY created_at"
    ),
    "opt_outs": _by("SELECT channel, since, source FROM opt_out WHERE number_hash = ANY(:phones)"),
}


class PersonRows:
    def __init__(self, connection: Connection, cipher: Cipher, contracts: Contracts) -> None:
        self._connection = connection
        self._cipher = cipher
        self._contracts = contracts

    # ---- who matches

    async def find_persons(self, sought: SoughtPerson) -> list[KnownPerson]:
        """Return all matching people, each once. A phone about which nothing else is known gives a person without a
        document."""
        documents: dict[tuple[str, str], None] = {}
        async for _, values in self._signers(sought):
            documents[values["id_type"], values["id_number"]] = None
        if sought.id_number or sought.name:
            async for _, data in self._opened(_CONTRACTS, _DATA):
                _collect(documents, sought, data.get("asked") or {})
        async for people in self._people():
            _collect(documents, sought, people)
        found = [await self._know(*each, sought) for each in documents]
        if not found and sought.phone and not (sought.id_number or sought.name):
            return [KnownPerson("", "", phones=frozenset({sought.phone}))]
        return found

    async def _know(self, id_type: str, id_number: str, sought: SoughtPerson) -> KnownPerson:
        """Return the person with this document, with everything on file within the scope."""
        theirs: dict[str, set[str]] = {"name": set(), "phone": {sought.phone}, "email": set()}
        async for _, values in self._signers(SoughtPerson(id_number=id_number)):
            _add(theirs, values, id_type)
        async for _, data in self._opened(_CONTRACTS, _DATA):
            _add_all(theirs, data.get("asked") or {}, id_type, id_number)
        async for people in self._people():
            _add_all(theirs, people, id_type, id_number)
        names, phones, emails = (frozenset(each - {"", ERASED}) for each in theirs.values())
        shared = {phone for phone in phones if await self._is_shared(phone, id_number)}
        return KnownPerson(id_type, id_number, names, phones, emails, frozenset(shared))

    async def _is_shared(self, phone: str, id_number: str) -> bool:
        async for _, values in self._signers(SoughtPerson(phone=phone)):
            if values["id_number"] != id_number:
                return True
        async for people in self._people():
            for _, named in list_people(people):
                if (
                    is_phone(str(named.get("phone") or ""), phone)
                    and normalise_id_number(str(named.get("id_number"))) != id_number
                ):
                    return True
        return False

    async def _signers(self, sought: SoughtPerson) -> AsyncIterator[tuple[Row, dict[str, Any]]]:
        """Yield the matching signers, with the values on file for each."""
        statement: SqlStatement = _ALL_SIGNERS
        values: dict[str, Any] = {}
        if sought.id_number:
            statement, values = _BY_TAIL, {"hash": self._cipher.found_by("id-tail", sought.id_number[-4:])}
        elif sought.phone:
            statement, values = _BY_PHONE, {"hash": self._cipher.found_by("phone", sought.phone)}
        async for row in self._connection.stream(statement, values, ROWS_AT_ONCE):
            if sought.name and not sought.fits({"name": row["name"], "phone": sought.phone} | _number(sought)):
                continue
            signer = self._contracts.read_signer(row)
            names = ("name", "phone", "id_type", "id_number", "email", "relation", "language")
            on_file = {name: getattr(signer, name) for name in names}
            if sought.fits(on_file):
                yield row, on_file

    async def _opened(
        self, statement: SqlStatement, encrypted: EncryptedColumn
    ) -> AsyncIterator[tuple[Row, dict[str, Any]]]:
        """Yield each row with its decrypted JSON. Skip rows that cannot be decrypted, which `keys check` lists."""
        async for row in self._connection.stream(statement, {}, ROWS_AT_ONCE):
            try:
                yield (
                    row,
                    self._cipher.decrypt_json(
                        row[encrypted.column], encrypted.at(*(row[key] for key in encrypted.keys))
                    ),
                )
            except (InvalidTag, ValueError):
                continue

    async def _people(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the people of each enrolment, and those who are to replace a signer."""
        async for _, people in self._opened(_ENROLMENTS, _PEOPLE):
            yield people
        async for _, asked in self._opened(_REPLACEMENTS, _REPLACEMENT):
            yield {"signers": [asked["by"]]}

    # ---- what is kept about them

    async def list_contracts(self, person: KnownPerson) -> list[PersonInContract]:
        """Return all contracts of the person, as signer or as student, in the order of their creation."""
        found: dict[UUID, PersonInContract] = {}
        if not person.id_number:
            return []
        async for row, on_file in self._signers(SoughtPerson(id_number=person.id_number)):
            if on_file["id_type"] == person.id_type:
                found[row["contract"]] = _as_signer(row, on_file)
        async for row, data in self._opened(_CONTRACTS, _DATA):
            student = (data.get("asked") or {}).get("student") or {}
            if _is(student, person.id_type, person.id_number):
                known = found.get(row["id"])
                found[row["id"]] = _as_student(row, student, known)
        return sorted(found.values(), key=lambda part: (part.created_at, part.number))

    async def list_enrolments(self, person: KnownPerson) -> list[dict[str, Any]]:
        """Return the roster lines that name the person, each with the person's own values only, and whether the person
        is the student."""
        lines: list[dict[str, Any]] = []
        async for row, people in self._opened(_ENROLMENTS, _PEOPLE):
            for is_student, values in list_people(people):
                if person.id_number and _is(values, person.id_type, person.id_number):
                    line = {name: row[name] for name in ("id", "campus", "course", "contract", "created_at")}
                    lines.append(line | {"is_student": is_student, "on_file": dict(values)})
                    break
        return lines

    async def list_replacements(self, person: KnownPerson) -> list[dict[str, Any]]:
        """Return the unfinished acts by which the person is to replace a signer."""
        return [
            {name: row[name] for name in ("act", "enrolment", "campus", "asked_at")} | {"on_file": asked["by"]}
            async for row, asked in self._opened(_REPLACEMENTS, _REPLACEMENT)
            if person.id_number and _is(asked["by"], person.id_type, person.id_number)
        ]

    async def list_others(
        self, person: KnownPerson, parts: Sequence[PersonInContract]
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the other rows about the person, by kind. Messages from a shared phone are left out."""
        phones = [self._cipher.found_by("phone", phone) for phone in person.own_phones]
        values: dict[str, Any] = {
            "phones": phones,
            "signers": [part.signer for part in parts if part.signer],
            "contracts": [part.contract for part in parts],
            "persons": self.list_keys(person),
        }
        found = {
            kind: [dict(row) for row in await self._connection.execute(statement, values)]
            for kind, statement in _OTHERS.items()
        }
        wrote = await self._connection.execute(_WROTE, {"phones": phones})
        found["messages_from_them"] = [
            {
                "id": row["id"],
                "received_at": row["received_at"],
                "text": self._cipher.decrypt(row["text_sealed"], _TEXT.at(row["id"])),
            }
            for row in wrote
        ]
        return found

    def list_keys(self, person: KnownPerson) -> list[str]:
        """Return the keys by which rows name this person: by document, and as declared at each of their phones."""
        if not person.id_number:
            return []
        key = self._cipher.person(person.id_type, person.id_number)
        return [key, *(self._cipher.declared(key, phone) for phone in sorted(person.phones))]


def _number(sought: SoughtPerson) -> dict[str, str]:
    """Return the sought number, to stand for that of a row that is not decrypted yet, so that the row matches."""
    return {"id_number": sought.id_number}


def _is(values: Mapping[str, Any], id_type: str, id_number: str) -> bool:
    return values.get("id_type") == id_type and normalise_id_number(str(values.get("id_number", ""))) == id_number


def _collect(documents: dict[tuple[str, str], None], sought: SoughtPerson, people: Mapping[str, Any]) -> None:
    for _, values in list_people(people):
        if values.get("id_number") not in (None, "", ERASED) and sought.fits(values):
            documents[str(values.get("id_type")), normalise_id_number(str(values["id_number"]))] = None


def _add(theirs: dict[str, set[str]], values: Mapping[str, Any], id_type: str) -> None:
    if values.get("id_type") == id_type:
        for name, known in theirs.items():
            value = str(values.get(name) or "")
            known.add(_normal_phone(value) if name == "phone" else value)


def _normal_phone(typed: str) -> str:
    """Return the number as E.164; empty if it is none."""
    try:
        return normalise_phone(typed)
    except BadInput:
        return ""


def _add_all(theirs: dict[str, set[str]], people: Mapping[str, Any], id_type: str, id_number: str) -> None:
    for _, values in list_people(people):
        if _is(values, id_type, id_number):
            _add(theirs, values, id_type)


def _as_signer(row: Row, on_file: Mapping[str, Any]) -> PersonInContract:
    shown = {name: row[f"contract_{name}"] for name in _SHOWN}
    shown |= {"state": ContractState(shown["state"]), "signer": row["id"], "signs_as": row["field"], "on_file": on_file}
    return PersonInContract(row["contract"], **shown)


def _as_student(row: Row, student: Mapping[str, Any], known: PersonInContract | None) -> PersonInContract:
    shown = {name: row[name] for name in _SHOWN} | {"state": ContractState(row["state"]), "is_student": True}
    if known:
        shown |= {"signer": known.signer, "signs_as": known.signs_as}
    return PersonInContract(row["id"], **shown, on_file=dict(student) | dict(known.on_file if known else {}))
