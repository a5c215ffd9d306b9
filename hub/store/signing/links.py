"""Sign links. A link is found by the hash of its ticket, which is derived and never stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Uuid, any_, bindparam, exists, func, select

from hub.model.contract.contract import ContractState
from hub.model.contract.signer import Signer, TaskState
from hub.model.school.course import Campus
from hub.model.signing.link import DoorKind, SignLink, derive_ticket, hash_ticket
from hub.model.signing.session import SigningSession, hash_secret
from hub.store.encryption.keys import Keys
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.signing.sessions import read_session
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as TASK
from hub.store.tables.school import CAMPUS
from hub.store.tables.signing import ONE_TIME_CODE as CODE, SIGN_LINK as LINK, SIGNING_SESSION as SESSION

# The columns of a link in a statement about something else; see `read_joined_link`.
JOINED_LINK = [column.label(f"link_{column.name}") for column in LINK.c]
_LASTING = LINK.c.revoked_at.is_(None) & LINK.c.expires_at.is_(None)
_OF_SIGNERS = SqlStatement(select(LINK).where(LINK.c.signer == any_(bindparam("ids", type_=ARRAY(Uuid()))), _LASTING))
_COLUMNS = [column.name for column in LINK.c]
_ADD = insert_many(LINK, _COLUMNS, "ON CONFLICT DO NOTHING RETURNING id")
_ADD_NEW = insert_many(LINK, _COLUMNS)
_GET = SqlStatement(select(LINK).where(LINK.c.id == bindparam("link")))
_BY_TICKET = SqlStatement(select(LINK).where(LINK.c.ticket_hash == bindparam("ticket")))
_OF_SAME_PERSON = SIGNER.alias("of_same_person")
# The deadlines of all contracts that wait for the link's person: a session of the link shows them all.
_DEADLINES = (
    select(func.array_agg(CONTRACT.c.deadline))
    .join(_OF_SAME_PERSON, _OF_SAME_PERSON.c.contract == CONTRACT.c.id)
    .join(TASK, TASK.c.signer == _OF_SAME_PERSON.c.id)
    .where(_OF_SAME_PERSON.c.person == SIGNER.c.person, _OF_SAME_PERSON.c.phone_hash == SIGNER.c.phone_hash)
    .where(CONTRACT.c.state == ContractState.ISSUED.value, TASK.c.state == TaskState.OPEN.value)
    .scalar_subquery()
)
# A link with what its page shows of signer, campus and contracts.
_SHOWN = SqlStatement(
    select(
        LINK,
        *(column.label(f"campus_{column.name}") for column in CAMPUS.c),
        SIGNER.c.language,
        _DEADLINES.label("deadlines"),
    )
    .join(SIGNER, SIGNER.c.id == LINK.c.signer)
    .join(CAMPUS, CAMPUS.c.id == LINK.c.campus)
    .where(LINK.c.ticket_hash == bindparam("ticket"))
)
_OWN, _ITS = (SIGNER.alias(name) for name in ("own_signer", "its_signer"))
# A session by its secret, a link by its ticket, and whether the same person is behind both.
_OPENED = SqlStatement(
    select(
        SESSION,
        *JOINED_LINK,
        (_OWN.c.person == _ITS.c.person).label("is_same_person"),
        exists().where(CODE.c.person == _OWN.c.person, CODE.c.session == SESSION.c.id).label("has_code"),
    )
    .select_from(
        SESSION.outerjoin(LINK, LINK.c.ticket_hash == bindparam("ticket"))
        .outerjoin(_OWN, _OWN.c.id == SESSION.c.signer)
        .outerjoin(_ITS, _ITS.c.id == LINK.c.signer)
    )
    .where(SESSION.c.secret_hash == bindparam("secret"))
)
# The permanent links of a signer as one JSON value, for statements that read them with other data; see `read_links`.
LASTING_LINKS = """
    SELECT jsonb_agg(jsonb_build_object('id', id, 'door', door, 'generation', generation, 'created_at', created_at))
    FROM sign_link
"""
# The key of a link: the id of its signer, and its door.
Wanted = tuple[UUID, DoorKind]


@dataclass(frozen=True)
class ShownLink:
    """A link with what its page shows. `language`: the signer's. `deadlines`: of all contracts that wait for the
    person, past ones too."""

    link: SignLink
    campus: Campus
    language: str
    deadlines: tuple[datetime, ...]


@dataclass(frozen=True)
class OpenedLink:
    """A session and the link that a ticket leads to, if there is one. `is_same_person`: it is a link of the session's
    person. `has_code`: a code was sent for this session."""

    session: SigningSession
    link: SignLink | None
    is_same_person: bool
    has_code: bool


def opening_of_opened(keys: Keys, secret: str, ticket: str) -> Opening:
    """Return what `Links.find_opened` reads."""
    values = {"secret": hash_secret(secret), "ticket": hash_ticket(keys.link, ticket)}
    return Opening(_OPENED, values, is_all=True)


def opening_by_ticket(keys: Keys, ticket: str, *, is_all: bool = False) -> Opening:
    """Return what `Links.find_shown` reads."""
    return Opening(_SHOWN, {"ticket": hash_ticket(keys.link, ticket)}, is_all)


class Links:
    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._key = keys.link
        self._known: dict[UUID, SignLink] = {}

    def ticket(self, link: SignLink) -> str:
        return derive_ticket(self._key, link.id, link.generation)

    async def get_for_door(self, signer: Signer, door: DoorKind, now: datetime) -> SignLink:
        """Return the signer's one permanent link of this door. The first call creates it."""
        return (await self.get_for_doors([(signer, door)], now))[signer.id, door]

    async def get_for_doors(
        self, wanted: Sequence[tuple[Signer, DoorKind]], now: datetime, known: Mapping[Wanted, SignLink] | None = None
    ) -> dict[Wanted, SignLink]:
        """Return the permanent link of each of these signers and doors, as `get_for_door` does.

        `known`: links that the signers already have, if the caller has read them.
        """
        found = dict(known) if known is not None else await self._lasting(wanted)
        if made := _make_missing(wanted, now, found):
            added = {row["id"] for row in await self._connection.write_now(_ADD, self._arrays(made))}
            found |= {(link.signer, link.door): link for link in made if link.id in added}
            if len(added) < len(made):  # another transaction made one at this moment
                found |= await self._lasting(wanted)
        self._known |= {link.id: link for link in found.values()}
        return found

    async def add_missing(
        self, wanted: Sequence[tuple[Signer, DoorKind]], now: datetime, known: Mapping[Wanted, SignLink]
    ) -> dict[Wanted, SignLink]:
        """Return these links as `get_for_doors` does. Those that are not known are added with the next statement:
        nobody else can make them, because the caller has locked the contracts. An error follows if somebody did."""
        made = _make_missing(wanted, now, known)
        if made:
            await self._connection.write(_ADD_NEW, self._arrays(made))
        return {**known, **{(link.signer, link.door): link for link in made}}

    async def _lasting(self, wanted: Sequence[tuple[Signer, DoorKind]]) -> dict[Wanted, SignLink]:
        rows = await self._connection.execute(_OF_SIGNERS, {"ids": [signer.id for signer, _ in wanted]})
        return {(link.signer, link.door): link for link in map(_link, rows)}

    async def add(self, signer: Signer, door: DoorKind, now: datetime, expires_at: datetime | None = None) -> SignLink:
        """Add a link. Each desk code is a new link with an expiry."""
        link = SignLink(uuid4(), signer.contract, signer.id, signer.campus, door, 1, now, expires_at)
        await self._connection.write(_ADD_NEW, self._arrays([link]))
        return link

    def _arrays(self, links: Sequence[SignLink]) -> dict[str, list[Any]]:
        rows = [vars(link) | {"ticket_hash": hash_ticket(self._key, self.ticket(link))} for link in links]
        return arrays_of(_COLUMNS, rows)

    async def find_by_ticket(self, ticket: str) -> SignLink | None:
        """Return the link of a ticket, as `normalise_ticket` returns it, even an expired or revoked one."""
        return await self._connection.find(_link, _BY_TICKET, {"ticket": hash_ticket(self._key, ticket)})

    async def find_shown(self, ticket: str) -> ShownLink | None:
        """Return the link of a ticket as `find_by_ticket` does, with what its page shows."""
        row = (await self._connection.execute(_SHOWN, {"ticket": hash_ticket(self._key, ticket)})).first()
        if row is None:
            return None
        campus = Campus(**{name: row[f"campus_{name}"] for name in Campus.__dataclass_fields__})
        return ShownLink(_link(row), campus, row["language"], tuple(row["deadlines"] or ()))

    async def find_opened(self, secret: str, ticket: str) -> OpenedLink | None:
        """Return the session with this secret and the link of this ticket. Return None if there is no such session."""
        values = {"secret": hash_secret(secret), "ticket": hash_ticket(self._key, ticket)}
        row = (await self._connection.execute(_OPENED, values)).first()
        if row is None:
            return None
        return OpenedLink(read_session(row), read_joined_link(row), bool(row["is_same_person"]), row["has_code"])

    def remember(self, row: Row) -> None:
        """Remember the link of this row, which has JOINED_LINK: this transaction has read it with something else."""
        if (link := read_joined_link(row)) is not None:
            self._known[link.id] = link

    async def get(self, link: UUID) -> SignLink | None:
        if link in self._known:
            return self._known[link]
        return await self._connection.find(_link, _GET, {"link": link})

    async def list_waiting_at(self, phone_hash: bytes) -> list[SignLink]:
        """Return the permanent links of all signers with this phone who still have to sign, newest first."""
        lasting = LINK.c.revoked_at.is_(None) & LINK.c.expires_at.is_(None)
        waiting = TASK.c.state.in_([TaskState.WAITING.value, TaskState.OPEN.value])
        statement = select(LINK).join(SIGNER, SIGNER.c.id == LINK.c.signer).join(TASK, TASK.c.signer == SIGNER.c.id)
        statement = statement.where(SIGNER.c.phone_hash == phone_hash, lasting, waiting)
        rows = await self._connection.execute(statement.order_by(LINK.c.created_at.desc()).limit(200))
        return [_link(row) for row in rows]

    async def renew(self, signers: Sequence[UUID], at: datetime) -> None:
        """Invalidate all tickets of these signers. Permanent links get a new ticket; links with an expiry end."""
        mine = LINK.c.signer.in_(signers) & LINK.c.revoked_at.is_(None)
        rows = await self._connection.execute(select(LINK).where(mine).order_by(LINK.c.id).with_for_update())
        for link in [_link(row) for row in rows]:
            fresh = replace(link, generation=link.generation + 1)
            values: dict[str, Any] = {"revoked_at": at}
            if link.expires_at is None:
                ticket_hash = hash_ticket(self._key, self.ticket(fresh))
                values = {"generation": fresh.generation, "ticket_hash": ticket_hash}
            await self._connection.execute(LINK.update().where(LINK.c.id == link.id).values(values))


def _make_missing(
    wanted: Sequence[tuple[Signer, DoorKind]], now: datetime, known: Mapping[Wanted, SignLink]
) -> list[SignLink]:
    """Return new links for those of these signers and doors that have none."""
    missing = [(signer, door) for signer, door in dict.fromkeys(wanted) if (signer.id, door) not in known]
    return [SignLink(uuid4(), each.contract, each.id, each.campus, door, 1, now) for each, door in missing]


def _link(row: Row | Mapping[str, Any]) -> SignLink:
    values = {name: row[name] for name in SignLink.__dataclass_fields__}
    return SignLink(**(values | {"door": DoorKind(row["door"])}))


def read_joined_link(row: Row) -> SignLink | None:
    """Return the link of this row, which has JOINED_LINK, or None if it has none."""
    if row["link_id"] is None:
        return None
    return _link({name: row[f"link_{name}"] for name in SignLink.__dataclass_fields__})


def read_links(row: Row) -> Iterator[SignLink]:
    """Yield the links of this row, which has LASTING_LINKS as `links`, and `signer`, `contract` and `campus`."""
    for link in row["links"] or ():
        created_at, door = datetime.fromisoformat(link["created_at"]), DoorKind(link["door"])
        whose = (row["contract"], row["signer"], row["campus"])
        yield SignLink(UUID(link["id"]), *whose, door, link["generation"], created_at)
