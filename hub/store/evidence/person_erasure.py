"""Erase a person from rows, including evidence. Only the role `owner` may do this, since `app` cannot change evidence.

Rows stay, with their ids, times and states. Values that name the person become empty or a dash, and keyed hashes are
replaced by random values. Numbers that opted out stay as hashes, so that nobody sends messages to them again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, or_, select, text

from hub.model.contract.signer import ERASED_PERSON
from hub.model.evidence.person_data import ERASED, KnownPerson, PersonInContract, redact, redact_people
from hub.model.messaging.message import COPIES
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.contract import ATTACHMENT, CONTRACT, DOCUMENT_VERSION as VERSION, SIGNER, SIGNING_TASK as TASK
from hub.store.tables.evidence import EVIDENCE_ADDENDUM as ADDENDUM, EVIDENCE_PACKAGE as PACKAGE, LEGAL_HOLD as HOLD
from hub.store.tables.inbound import INBOUND_MESSAGE as INBOUND
from hub.store.tables.messaging import DELIVERY, DELIVERY_SHARE as SHARE
from hub.store.tables.school import ENROLMENT, ENROLMENT_PHONE, POSTER_SCAN as SCAN, VISITOR
from hub.store.tables.signing import (
    APP_KEY,
    ISSUED_CERTIFICATE as CERTIFICATE,
    ONE_TIME_CODE as CODE,
    PAIRING,
    PASSKEY,
    SIGN_LINK as LINK,
    SIGNATURE_REQUEST as REQUEST,
    SIGNING_SESSION as SESSION,
    WRONG_ANSWER as WRONG,
)
from hub.store.tables.staff import PHONE_CHANGE as CHANGE, STAFF_TASK

HASH_BYTES = 32
_DATA, _PEOPLE = EncryptedColumn.of(CONTRACT.c.data_sealed), EncryptedColumn.of(ENROLMENT.c.people_sealed)
_PHONE, _ID_NUMBER = EncryptedColumn.of(SIGNER.c.phone_sealed), EncryptedColumn.of(SIGNER.c.id_number_sealed)
_TO, _NEW = EncryptedColumn.of(DELIVERY.c.to_sealed), EncryptedColumn.of(CHANGE.c.new_sealed)
_LABEL = EncryptedColumn.of(APP_KEY.c.label_sealed)


def _no_hash() -> bytes:
    """Return a random value to replace a keyed hash. No keyed hash is equal to it."""
    return os.urandom(HASH_BYTES)


def _nobody() -> str:
    return f"{ERASED_PERSON}{uuid4().hex}"


class PersonErasure(EncryptedRepository):
    # ---- in one contract

    async def lock_erasures(self) -> None:
        """Lock erasures until this transaction ends. Two that overlap would each leave a shared file to the other."""
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('erasure', 3))"))

    async def list_files(self, contract: UUID) -> set[str]:
        """Return the SHA-256 (hex) of every file of a contract, because all of them show its people. Files that another
        contract has too, such as a PDF that was uploaded once for many, are left out."""
        prepared = select(REQUEST.c.prepared).where(REQUEST.c.contract == contract)
        current = select(CONTRACT.c.document).where(CONTRACT.c.id == contract, CONTRACT.c.document.is_not(None))
        versions = select(VERSION.c.sha256).where(VERSION.c.contract == contract)
        packages = select(PACKAGE.c.file).where(PACKAGE.c.contract == contract)
        addenda = select(ADDENDUM.c.sha256).where(ADDENDUM.c.contract == contract)
        attached = select(ATTACHMENT.c.file).where(ATTACHMENT.c.contract == contract)
        rows = await self._connection.execute(versions.union(prepared, current, packages, addenda, attached))
        files = {row[0] for row in rows}
        others = VERSION.c.sha256.in_(files) & (VERSION.c.contract != contract) & VERSION.c.erased_at.is_(None)
        return files - set(await self._connection.scalars(select(VERSION.c.sha256).where(others)))

    async def erase_contract(
        self, part: PersonInContract, person: KnownPerson, words: Sequence[str], now: datetime
    ) -> None:
        """Erase the person from the rows of one contract. The caller has locked it and deleted its files."""
        await self._run(
            VERSION.update().where(VERSION.c.contract == part.contract, VERSION.c.erased_at.is_(None)), erased_at=now
        )
        await self._run(ATTACHMENT.delete().where(ATTACHMENT.c.contract == part.contract))
        await self._run(HOLD.update().where(HOLD.c.contract == part.contract), reason=ERASED)
        await self._redact_contract(part, person, words)
        await self._redact_texts(part, words)
        if part.signer:
            await self._erase_signer(part.signer)
            await self._erase_proofs(part.contract, part.signer)
            await self._end_entries(part.signer, now)
            await self._erase_phone_changes(part.signer)

    async def _redact_contract(self, part: PersonInContract, person: KnownPerson, words: Sequence[str]) -> None:
        mine = CONTRACT.c.id == part.contract
        row = (await self._connection.execute(select(CONTRACT.c.data_sealed, CONTRACT.c.title).where(mine))).one()
        data = self._cipher.decrypt_json(row["data_sealed"], _DATA.at(part.contract))
        # The texts of the contract are erased like its files.
        data |= {"summary": {language: [] for language in data.get("summary") or {}}, "text": []}
        data = redact(data, words) | {"asked": redact_people(data.get("asked") or {}, person, words)}
        data.pop("to_fill_in", None)
        if data.pop("copies", None):  # the file that they lead to is erased
            data["asked"] = data["asked"] | {"copies": []}
        values: dict[str, Any] = {"data_sealed": self._cipher.encrypt_json(data, _DATA.at(part.contract))}
        values |= {"answers_sealed": None, "title": redact(row["title"], words)}
        await self._run(CONTRACT.update().where(mine), **values | ({"student_name": ERASED} if part.is_student else {}))

    async def _redact_texts(self, part: PersonInContract, words: Sequence[str]) -> None:
        """Empty the messages to the person about the contract; remove the person's name from other messages and staff
        tasks."""
        sent = select(DELIVERY).where(or_(DELIVERY.c.contract == part.contract, _shares(part.contract)))
        for row in await self._connection.execute(sent):
            mine = DELIVERY.update().where(DELIVERY.c.id == row["id"])
            if (part.signer and row["signer"] == part.signer) or row["purpose"] in COPIES:
                await self._run(mine, **self._emptied_message(row["id"]))
                continue
            text, variables = redact([row["text"], row["variables"]], words)
            if (text, variables) != (row["text"], row["variables"]):
                await self._run(mine, text=text, variables=variables)
        for row in await self._connection.execute(
            select(STAFF_TASK.c.id, STAFF_TASK.c.text, STAFF_TASK.c.note).where(STAFF_TASK.c.contract == part.contract)
        ):
            text, note = redact([row["text"], row["note"]], words)
            if (text, note) != (row["text"], row["note"]):
                mine = STAFF_TASK.update().where(STAFF_TASK.c.id == row["id"])
                await self._run(mine, text=text, note=note, once=None)

    def _emptied_message(self, delivery: UUID) -> dict[str, Any]:
        values: dict[str, Any] = {
            "to_sealed": self._cipher.encrypt("", _TO.at(delivery)),
            "to_hash": _no_hash(),
            "text": ERASED,
        }
        return values | {"variables": {}, "failure": None, "person": None}

    async def _erase_signer(self, signer: UUID) -> None:
        seal = self._cipher.encrypt
        values: dict[str, Any] = {
            "name": ERASED,
            "phone_sealed": seal("", _PHONE.at(signer)),
            "phone_hash": _no_hash(),
            "phone_tail_hash": None,
        }
        values |= {"id_number_sealed": seal("", _ID_NUMBER.at(signer)), "id_tail_hash": _no_hash(), "person": _nobody()}
        values |= {"email_sealed": None, "relation": None, "salt": None}
        await self._run(SIGNER.update().where(SIGNER.c.id == signer), **values)

    async def _erase_proofs(self, contract: UUID, signer: UUID) -> None:
        """Erase the certificates, because they name their holder. Signatures stay: without certificate and file they
        reveal nothing about anybody."""
        mine = select(TASK.c.id).where(TASK.c.signer == signer)
        await self._run(REQUEST.update().where(REQUEST.c.task.in_(mine)), chain=[], confirmation=None)
        sessions = select(SESSION.c.id).where(SESSION.c.signer == signer)
        await self._run(PAIRING.update().where(PAIRING.c.session.in_(sessions)), certificate=None)
        await self._run(SESSION.update().where(SESSION.c.signer == signer), certificate_chain=[], key_spki=None)
        issued = (CERTIFICATE.c.contract == contract) & (CERTIFICATE.c.signer == signer)
        await self._run(CERTIFICATE.update().where(issued), certificate=b"")

    async def _end_entries(self, signer: UUID, now: datetime) -> None:
        """End the links and sessions of a signer. Otherwise new texts could be stored about a person who was erased."""
        await self._run(LINK.update().where(LINK.c.signer == signer, LINK.c.revoked_at.is_(None)), revoked_at=now)
        await self._run(SESSION.update().where(SESSION.c.signer == signer), expires_at=SESSION.c.created_at)

    async def _erase_phone_changes(self, signer: UUID) -> None:
        for change in await self._connection.scalars(select(CHANGE.c.id).where(CHANGE.c.signer == signer)):
            values: dict[str, Any] = {
                "new_sealed": self._cipher.encrypt("", _NEW.at(change)),
                "new_hash": _no_hash(),
                "old_hash": _no_hash(),
            }
            values |= {"reason": ERASED, "person": _nobody()}
            await self._run(CHANGE.update().where(CHANGE.c.id == change), **values)

    # ---- elsewhere

    async def erase_enrolment(self, line: Mapping[str, Any], person: KnownPerson, words: Sequence[str]) -> None:
        """Delete the enrolment if the person is its student, otherwise erase the person from it."""
        mine = ENROLMENT.c.id == line["id"]
        if line["is_student"]:
            await self._run(ENROLMENT.delete().where(mine))
            return
        encrypted = await self._connection.scalar(select(ENROLMENT.c.people_sealed).where(mine).with_for_update())
        people = redact_people(self._cipher.decrypt_json(encrypted, _PEOPLE.at(line["id"])), person, words)
        people["signers"] = [each for each in people["signers"] if each.get("name") != ERASED]
        await self._run(
            ENROLMENT.update().where(mine), people_sealed=self._cipher.encrypt_json(people, _PEOPLE.at(line["id"]))
        )
        left = [self._cipher.found_by("phone", str(each["phone"])) for each in people["signers"]]
        found_by = ENROLMENT_PHONE.c.enrolment == line["id"]
        await self._run(ENROLMENT_PHONE.delete().where(found_by, ENROLMENT_PHONE.c.phone_hash.not_in(left)))

    async def erase_messages(self, person: KnownPerson) -> None:
        """Delete messages from the person's own phones, and their visits. Empty messages to these phones that are about
        no contract."""
        hashes = [self._cipher.found_by("phone", phone) for phone in person.own_phones]
        await self._run(INBOUND.delete().where(INBOUND.c.sender_hash.in_(hashes)))
        await self._run(VISITOR.delete().where(VISITOR.c.phone_hash.in_(hashes)))
        loose = select(DELIVERY.c.id).where(DELIVERY.c.to_hash.in_(hashes), DELIVERY.c.contract.is_(None))
        for delivery in await self._connection.scalars(loose):
            await self._run(DELIVERY.update().where(DELIVERY.c.id == delivery), **self._emptied_message(delivery))

    async def erase_keys(self, person: KnownPerson, keys: Sequence[str], now: datetime) -> None:
        """Delete passkeys and wrong answers, and end device keys, of a person without kept contracts."""
        await self._run(PASSKEY.delete().where(PASSKEY.c.person.in_(keys)))
        await self._run(WRONG.delete().where(WRONG.c.person.in_(keys)))
        await self._run(CODE.update().where(CODE.c.person.in_(keys)), person=_nobody())
        for row in await self._connection.execute(select(APP_KEY.c.id).where(APP_KEY.c.person.in_(keys))):
            ended: dict[str, Any] = {
                "label_sealed": self._cipher.encrypt("", _LABEL.at(row["id"])),
                "evidence": None,
                "challenge": None,
                "person": _nobody(),
            }
            ended |= {"revoked_at": func.coalesce(APP_KEY.c.revoked_at, now), "certificates_due_at": None}
            await self._run(APP_KEY.update().where(APP_KEY.c.id == row["id"]), **ended)
        if person.id_number:
            scanned = SCAN.c.student_hash == self._cipher.found_by("poster-student", person.id_number)
            await self._run(SCAN.update().where(scanned), student_hash=_no_hash())  # it still counts as enrolled

    async def _run(self, statement: Any, **values: Any) -> None:
        await self._connection.execute(statement.values(**values) if values else statement)


def _shares(contract: UUID) -> ColumnElement[bool]:
    return DELIVERY.c.id.in_(select(SHARE.c.delivery).where(SHARE.c.contract == contract))
