"""Deliveries: an attempt row is committed before its provider is called, and its outcome is written afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, case, func, select, union_all

from hub.model.messaging.delivery import PLANNED, Delivery, DeliveryState, StateReport, compute_check_time, merge_states
from hub.model.messaging.message import Purpose
from hub.model.signing.link import SignLink
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.delivery_items import PARTS, for_one
from hub.store.messaging.pause import is_not_paused
from hub.store.messaging.providers import ProviderCondition
from hub.store.reminders.ledger import NOTE_RECEIPTS, RECEIPTS
from hub.store.signing.links import JOINED_LINK, read_joined_link
from hub.store.tables.contract import SIGNER
from hub.store.tables.messaging import DELIVERY, DELIVERY_SHARE as SHARE, OUTBOX_MESSAGE as OUTBOX
from hub.store.tables.signing import SIGN_LINK as LINK

_TO = EncryptedColumn.of(DELIVERY.c.to_sealed)
UNSETTLED = (DeliveryState.SENDING.value, DeliveryState.UNKNOWN.value)
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_COLUMNS = [column.name for column in DELIVERY.c]
_ADD = insert_many(DELIVERY, _COLUMNS, "ON CONFLICT (key) DO NOTHING RETURNING id")
_ADD_NEW = insert_many(DELIVERY, _COLUMNS)
_OWN = (SHARE.c.delivery == DELIVERY.c.id) & (SHARE.c.contract == DELIVERY.c.contract)
DELIVERIES = SqlStatement(
    union_all(
        select(DELIVERY, *PARTS).outerjoin(SHARE, _OWN).where(DELIVERY.c.contract == any_(_IDS)),
        select(DELIVERY, *PARTS)
        .join(SHARE, SHARE.c.delivery == DELIVERY.c.id)
        .where(SHARE.c.contract == any_(_IDS), SHARE.c.contract != DELIVERY.c.contract),
    )
)
_REPORTED = SqlStatement(
    DELIVERY.update()
    .where(DELIVERY.c.id == bindparam("reported"))
    .values(
        state=bindparam("to_state"),
        state_at=bindparam("at"),
        check_at=bindparam("look"),
        failure=bindparam("why"),
        failure_kind=bindparam("kind"),
        provider_reference=func.coalesce(bindparam("reference", type_=Text()), DELIVERY.c.provider_reference),
    )
)
_REFERENCE = SqlStatement(
    DELIVERY.update().where(DELIVERY.c.id == bindparam("reported")).values(provider_reference=bindparam("reference"))
)
_REACHED = DELIVERY.c.state.not_in([DeliveryState.REFUSED.value, DeliveryState.WITHDRAWN.value])
# The `not_before` of an attempt that must be neither made nor asked about any more.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


_MINE = DELIVERY.c.id == bindparam("delivery")
_IS_UNSETTLED = DELIVERY.c.state.in_(UNSETTLED)
_GET = SqlStatement(select(DELIVERY).where(_MINE))
_BY_KEY = SqlStatement(select(DELIVERY).where(DELIVERY.c.key == bindparam("key")))
_CLAIMED: dict[str, Any] = {"state_at": bindparam("at"), "not_before": None}
_HELD = DELIVERY.c.state_at.is_not_distinct_from(bindparam("held"))
_CLAIM = SqlStatement(DELIVERY.update().where(_MINE, _IS_UNSETTLED, _HELD).values(_CLAIMED))
_CALLED = SqlStatement(
    DELIVERY.update()
    .where(_MINE)
    .values(
        provider=bindparam("by"),
        shape=bindparam("form"),
        text=bindparam("words"),
        called_at=bindparam("latest"),
        segments=bindparam("size"),
        calls=DELIVERY.c.calls + 1,
        **_CLAIMED,
    )
)
_RENEW = SqlStatement(
    DELIVERY.update().where(_MINE, _IS_UNSETTLED, _HELD).values(_CLAIMED | {"called_at": bindparam("latest")})
)
_LOCK = SqlStatement(select(DELIVERY).where(_MINE).with_for_update())
_TO_LOOK_AT = SqlStatement(
    select(DELIVERY.c.id)
    .where(DELIVERY.c.check_at <= bindparam("now"), is_not_paused())
    .order_by(DELIVERY.c.check_at)
    .limit(bindparam("most"))
)
_TO_FORMER_NUMBER = (DELIVERY.c.channel != "email") & (DELIVERY.c.to_hash != SIGNER.c.phone_hash)
_ACCEPTED = (
    select(DELIVERY, _TO_FORMER_NUMBER.label("to_former_number"), *JOINED_LINK)
    .join(OUTBOX, OUTBOX.c.key == DELIVERY.c.key)
    .outerjoin(LINK, LINK.c.id == DELIVERY.c.link)
    .outerjoin(SIGNER, SIGNER.c.id == DELIVERY.c.signer)
)
_INBOX, _INBOX_OF = (
    SqlStatement(found.order_by(OUTBOX.c.accepted_at.desc()).limit(bindparam("most")))
    for found in (_ACCEPTED, _ACCEPTED.where(DELIVERY.c.to_hash == bindparam("number")))
)


def opening_report(delivery: UUID) -> Opening:
    """Return what `Deliveries.report` does first."""
    return Opening(_LOCK, {"delivery": delivery})


def opening_of_inbox(cipher: Cipher, to: str | None) -> Opening:
    """Return what `Deliveries.list_inbox` reads."""
    values = {"most": 500, "number": cipher.found_by("phone", to) if to else None}
    return Opening(_INBOX_OF if to else _INBOX, values, is_all=True)


def opening_of_deliveries(contract: UUID) -> Opening:
    """Return what `Deliveries.list_of_contract` reads."""
    return Opening(DELIVERIES, {"ids": [contract]})


class Deliveries(EncryptedRepository):
    # ---- attempts

    async def add(self, delivery: Delivery, person: str | None = None) -> bool:
        """Add one attempt row, as `add_many` does. Return False if its key exists."""
        return bool(await self.add_many([(delivery, person)]))

    async def add_many(self, deliveries: Sequence[tuple[Delivery, str | None]]) -> set[UUID]:
        """Add these attempt rows, each with its person. Return the ids of those that were added.

        An attempt whose `key` exists is left out: nothing may be sent for it again.
        """
        if not deliveries:
            return set()
        return {row["id"] for row in await self._connection.write_now(_ADD, self._arrays(deliveries))}

    async def add_new(self, deliveries: Sequence[tuple[Delivery, str | None]]) -> None:
        """Add these attempt rows, whose keys the caller knows not to exist. An error follows if one does."""
        if deliveries:
            await self._connection.write(_ADD_NEW, self._arrays(deliveries))

    def _arrays(self, deliveries: Sequence[tuple[Delivery, str | None]]) -> dict[str, list[Any]]:
        return arrays_of(_COLUMNS, [self._row(delivery, person) for delivery, person in deliveries])

    def _row(self, delivery: Delivery, person: str | None) -> dict[str, Any]:
        values = vars(delivery) | {"state": delivery.state.value, "variables": json.dumps(dict(delivery.variables))}
        values |= {"person": person, "to_hash": self._phone(delivery.to)}
        return values | {"to_sealed": self._cipher.encrypt(delivery.to, _TO.at(delivery.id))}

    async def get(self, delivery: UUID) -> Delivery | None:
        return await self._connection.find(self.read_delivery, _GET, {"delivery": delivery})

    async def find_by_key(self, key: str) -> Delivery | None:
        return await self._connection.find(self.read_delivery, _BY_KEY, {"key": key})

    async def claim(self, delivery: UUID, at: datetime, *, held: datetime | None) -> bool:
        """Claim an unsettled attempt, whose last claim was made at `held` (None: there is none), for a call from `at`
        on. Return False if another process has claimed it since."""
        values = {"delivery": delivery, "at": at, "held": held}
        return (await self._connection.write_now(_CLAIM, values)).rowcount == 1

    async def write_call(self, delivery: Delivery) -> None:
        """Write the claim (made at `state_at`), the provider that is about to be called, and the text for it with its
        size. Commit before the call, which begins no later than `called_at`."""
        values: dict[str, Any] = {"delivery": delivery.id, "by": delivery.provider, "form": delivery.shape}
        values |= {"words": delivery.text, "latest": delivery.called_at, "size": delivery.segments}
        values |= {"at": delivery.state_at}
        await self._connection.write(_CALLED, values)

    async def renew(self, delivery: UUID, at: datetime, held: datetime, latest: datetime) -> bool:
        """Renew the claim `held` from `at` on, for a committed call that was not made yet and begins no later than
        `latest`.

        Return False if another process has claimed the attempt.
        """
        values = {"delivery": delivery, "at": at, "held": held, "latest": latest}
        return (await self._connection.execute(_RENEW, values)).rowcount == 1

    async def change_text(self, delivery: UUID, variables: Mapping[str, str], text: str) -> None:
        """Replace the text and variables of a message, because something changed while it waited."""
        statement = DELIVERY.update().where(DELIVERY.c.id == delivery)
        await self._connection.execute(statement.values(variables=dict(variables), text=text))

    async def withdraw(self, signers: Sequence[UUID], to_hash: bytes, at: datetime, reason: str) -> list[UUID]:
        """Withdraw all messages to these signers at this number, and all their codes, for which no provider was called.
        Return their ids.

        A process that is about to call a provider for one of them finds out when it claims the delivery.
        """
        theirs = DELIVERY.c.signer.in_(signers) & ((DELIVERY.c.to_hash == to_hash) | DELIVERY.c.code.is_not(None))
        untouched = DELIVERY.c.state.in_(UNSETTLED) & DELIVERY.c.provider.is_(None)
        statement = DELIVERY.update().where(theirs, untouched).returning(DELIVERY.c.id)
        values = {"state": DeliveryState.WITHDRAWN.value, "state_at": at, "failure": reason}
        return await self._connection.scalars(statement.values(**values, check_at=None, not_before=None))

    async def note_not_taken(self, delivery: UUID, held: datetime) -> None:
        """Note that the called provider certainly does not have the message, so that nobody has to ask it.

        Only the holder of the claim `held` may say so: another process may have called a provider meanwhile.
        """
        values = {"provider": None, "calls": func.greatest(DELIVERY.c.calls - 1, 0)}
        mine = (DELIVERY.c.id == delivery) & (DELIVERY.c.state_at == held)
        await self._connection.execute(DELIVERY.update().where(mine).values(values))

    async def put_off(self, delivery: UUID, until: datetime) -> None:
        """Let no process claim the attempt before `until`. Afterwards any may."""
        unsettled = (DELIVERY.c.id == delivery) & DELIVERY.c.state.in_(UNSETTLED)
        await self._connection.execute(DELIVERY.update().where(unsettled).values(not_before=until, state_at=None))

    async def give_up_attempt(self, delivery: UUID, at: datetime) -> None:
        """Give up this attempt, whose outcome nobody can tell. It is not sent again, and the next channel is tried."""
        unsettled = (DELIVERY.c.id == delivery) & DELIVERY.c.state.in_(UNSETTLED)
        values = {"state": DeliveryState.UNKNOWN.value, "check_at": at, "not_before": NEVER}
        await self._connection.execute(DELIVERY.update().where(unsettled).values(values))

    async def report(self, delivery: UUID, report: StateReport, at: datetime) -> Delivery:
        """Merge a report into the delivery, in any order and any number of times. Return the delivery as it is then.

        With a new state, the time of the next check is written, and for a planned message the receipt in the ledger.
        """
        known = self.read_delivery((await self._connection.execute(_LOCK, {"delivery": delivery})).one())
        before, purpose, after = known.state, known.purpose, merge_states(known.state, report.state)
        values: dict[str, Any] = {"reported": delivery, "reference": report.reference}
        if after is not before:
            look = compute_check_time(purpose, after, at, receipts=report.receipts)
            values |= {"to_state": after.value, "at": at, "look": look}
            values |= {"why": report.failure, "kind": report.failure_kind}
            await self._connection.write(_REPORTED, values)
        elif report.reference:
            await self._connection.write(_REFERENCE, values)
        if after is not before and after in RECEIPTS and purpose in PLANNED:
            await self._connection.flush()  # it reads the new state
            await self._connection.write(NOTE_RECEIPTS, {"ids": [delivery]})
        return replace(known, state=after)

    async def forget_replies(self, contract: UUID, words: Sequence[str]) -> None:
        """Replace these texts in the replies about a contract by a dash. Those not sent yet are withdrawn."""
        said = (DELIVERY.c.purpose == Purpose.REPLY.value) & DELIVERY.c.variables["reply"].astext.in_(words)
        unsent = (DELIVERY.c.state == DeliveryState.SENDING.value) & DELIVERY.c.called_at.is_(None)
        state = case((unsent, DeliveryState.WITHDRAWN.value), else_=DELIVERY.c.state)
        forgotten = DELIVERY.update().where(DELIVERY.c.contract == contract, said)
        await self._connection.execute(forgotten.values(text="–", variables={"reply": "–"}, state=state))

    async def list_unsettled(
        self, before: datetime, now: datetime | None = None, *, ours: ProviderCondition | None = None
    ) -> list[Delivery]:
        """Return attempts whose outcome is unknown, to be asked about or sent: those not claimed since `before`, and
        those whose wait is over.

        Codes come first, since somebody is waiting for them. The others follow by due time, so that each has its turn.
        Those left to the next channel are not included.
        """
        touched = func.coalesce(DELIVERY.c.state_at, DELIVERY.c.created_at)
        waited = DELIVERY.c.not_before.is_not(None) & DELIVERY.c.state_at.is_(None)
        due = waited & (DELIVERY.c.not_before <= (now or before))
        due |= DELIVERY.c.not_before.is_(None) & (touched < before)
        waiting = DELIVERY.c.state.in_(UNSETTLED) & due
        if ours:
            called = func.coalesce(DELIVERY.c.called_at, DELIVERY.c.created_at)
            waiting &= DELIVERY.c.provider.is_(None) | ours.among(DELIVERY.c.provider, called)
        order = (DELIVERY.c.purpose != Purpose.CODE.value, func.coalesce(DELIVERY.c.not_before, touched))
        rows = await self._connection.execute(select(DELIVERY).where(waiting).order_by(*order).limit(50))
        return [self.read_delivery(row) for row in rows]

    async def find_by_report(self, provider: str, reference: str, to: str = "") -> Delivery | None:
        """Return the delivery with the provider's own id, or else the provider's last one to this number that awaits a
        receipt."""
        theirs = select(DELIVERY).where(DELIVERY.c.provider == provider).order_by(DELIVERY.c.created_at.desc()).limit(1)
        by_id = theirs.where(DELIVERY.c.provider_reference == reference)
        found = await self._connection.find(self.read_delivery, by_id)
        if found is None and to:
            waits = (DELIVERY.c.to_hash == self._phone(to)) & (DELIVERY.c.state == DeliveryState.SENT.value)
            found = await self._connection.find(self.read_delivery, theirs.where(waits))
        return found

    async def list_check_due(self, now: datetime) -> list[UUID]:
        """Return deliveries whose check by the fallback is due; none while sending is paused."""
        return await self._connection.scalars(_TO_LOOK_AT, {"now": now, "most": 50})

    async def lock_check_due(self, delivery: UUID, now: datetime) -> Delivery | None:
        """Lock a delivery and return it. None if its check is not due any more, or another transaction has it."""
        due = (DELIVERY.c.id == delivery) & (DELIVERY.c.check_at <= now)
        statement = select(DELIVERY).where(due).with_for_update(skip_locked=True)
        return await self._connection.find(self.read_delivery, statement)

    async def find_about(self, delivery: UUID) -> Row | None:
        """Return contract, signer, task, campus, and since when the delivery has its state (`since`). Nothing is
        decrypted."""
        columns = [DELIVERY.c[name] for name in ("contract", "signer", "task", "campus")]
        since = func.coalesce(DELIVERY.c.state_at, DELIVERY.c.created_at).label("since")
        row = await self._connection.execute(select(*columns, since).where(DELIVERY.c.id == delivery))
        return row.first()

    async def plan_check(self, delivery: UUID, again: datetime | None) -> None:
        await self._connection.execute(DELIVERY.update().where(DELIVERY.c.id == delivery).values(check_at=again))

    async def postpone_checks(self, purposes: Iterable[str], until: datetime) -> None:
        """Put off until `until` the checks of messages of these purposes that have not been sent yet."""
        waits = DELIVERY.c.purpose.in_(list(purposes)) & _IS_UNSETTLED & (DELIVERY.c.check_at < until)
        locked = select(DELIVERY.c.id).where(waits).order_by(DELIVERY.c.id).with_for_update()
        await self._connection.execute(DELIVERY.update().where(DELIVERY.c.id.in_(locked)).values(check_at=until))

    async def count_filtered(self, provider: str, since: datetime) -> int:
        """Return how many messages of this provider were filtered as spam since `since`."""
        counted = (DELIVERY.c.provider == provider) & (DELIVERY.c.failure_kind == "filtered")
        return await self._connection.count(DELIVERY, counted, DELIVERY.c.state_at >= since)

    async def list_of_contract(self, contract: UUID) -> list[Delivery]:
        """Return the deliveries about a contract. One about several contracts appears with this contract's part."""
        rows = await self._connection.execute(DELIVERIES, {"ids": [contract]})
        return _in_order(for_one(self.read_delivery(row), row) for row in rows)

    async def list_replies(self, contracts: Iterable[UUID]) -> list[Delivery]:
        """Return the answers of staff to questions about these contracts, oldest first."""
        mine = DELIVERY.c.contract.in_(sorted(set(contracts))) & (DELIVERY.c.purpose == Purpose.REPLY.value)
        rows = await self._connection.execute(select(DELIVERY).where(mine))
        return _in_order(self.read_delivery(row) for row in rows)

    async def list_sent_to_person(self, person: str, since: datetime, purposes: Sequence[str]) -> list[datetime]:
        """Return when messages of these purposes were sent to this person, over all contracts.

        The attempts of one intent count once, at the time of the first that was not refused or withdrawn.
        """
        counted = (DELIVERY.c.person == person) & DELIVERY.c.purpose.in_(purposes)
        first = func.min(DELIVERY.c.created_at)
        statement = select(first).where(counted, _REACHED).group_by(func.coalesce(DELIVERY.c.intent, DELIVERY.c.key))
        return await self._connection.scalars(statement.having(first >= since).order_by(first))

    async def list_sent_for_task(self, task: UUID, key_prefix: str = "") -> list[datetime]:
        """Return when planned messages about this task went out by their first channel. `key_prefix`: of their keys."""
        shared = select(SHARE.c.delivery).where(SHARE.c.task == task)
        about = select(DELIVERY.c.id).where(DELIVERY.c.task == task).union(shared)
        counted = DELIVERY.c.id.in_(about) & DELIVERY.c.purpose.in_(PLANNED) & (DELIVERY.c.rung == 0)
        statement = select(DELIVERY.c.created_at).where(counted, DELIVERY.c.key.startswith(key_prefix))
        return await self._connection.scalars(statement.order_by(DELIVERY.c.created_at))

    async def list_inbox(self, to: str | None) -> list[tuple[Delivery, SignLink | None]]:
        """Return the last messages that the outbox channel has accepted, for one number or all, oldest first, each with
        its link: at a number that the signer no longer has, the one that ended with the change."""
        opening = opening_of_inbox(self._cipher, to)
        rows = await self._connection.execute(opening.statement, opening.values)
        return [(self.read_delivery(row), _read_sent_link(row)) for row in reversed(rows)]

    def _phone(self, number: str) -> bytes:
        return self._cipher.found_by("phone", number)

    def read_delivery(self, row: Row) -> Delivery:
        values = {name: row[name] for name in _FIELDS}
        return Delivery(
            **(
                values
                | {
                    "state": DeliveryState(row["state"]),
                    "to": self._cipher.decrypt(row["to_sealed"], _TO.at(row["id"])),
                }
            )
        )


def _read_sent_link(row: Row) -> SignLink | None:
    link = read_joined_link(row)
    return replace(link, generation=link.generation - 1) if link and row["to_former_number"] else link


def _in_order(deliveries: Iterable[Delivery]) -> list[Delivery]:
    return sorted(deliveries, key=lambda each: (each.created_at, each.id))


_FIELDS = set(Delivery.__dataclass_fields__) - {"to"}
