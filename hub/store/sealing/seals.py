"""Seals, the applications for them, and the grants to use them.

A transaction that changes a seal or its grants locks the seal first (`lock`). A transaction that uses a seal takes a
shared lock (`SealRegister.hold`), so that no use begins after the commit of a suspension.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, column as named, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.errors import SealNotFound
from hub.model.sealing.seal import KeyPlace, Seal, SealKind, SealState
from hub.model.sealing.seal_grant import CandidateGrant, ContractSeals, Grantee, GranteeKind, SealGrant
from hub.model.sealing.seal_request import SealRequest, SealRequestState
from hub.store.kernel.connection import Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.sealing import SEAL, SEAL_GRANT as GRANT, SEAL_REQUEST as REQUEST

_ONE = select(SEAL).where(SEAL.c.id == bindparam("seal"))
_GET, _LOCK = SqlStatement(_ONE), SqlStatement(_ONE.with_for_update())
_CONFIGURED = SqlStatement(select(SEAL).where(SEAL.c.key_place == KeyPlace.CONFIGURED.value))
_OVER = [state.value for state in SealState if state.is_over]
_ABOVE = """WITH RECURSIVE above (id, parent, distance) AS (
  SELECT id, parent, 0 FROM campus WHERE id = :campus
  UNION ALL SELECT campus.id, campus.parent, distance + 1 FROM campus JOIN above ON campus.id = above.parent
) CYCLE id SET is_again USING path
"""
_OF_BOTH = [f"seal_grant.{column.name}" for column in GRANT.c] + ["above.distance"]
_OF_BOTH += [f"seal.{column.name} AS seal_{column.name}" for column in SEAL.c]
_FOR_CONTRACTS = SqlStatement(
    text(
        _ABOVE
        + f"SELECT {', '.join(_OF_BOTH)}"
        + """
FROM seal LEFT JOIN seal_grant ON seal_grant.seal = seal.id AND seal_grant.grantee_kind = 'contracts'
  AND seal_grant.revoked_at IS NULL AND seal.state NOT IN ('made', 'revoked', 'archived', 'rejected')
LEFT JOIN above ON above.id = seal_grant.campus AND NOT above.is_again
WHERE seal_grant.id IS NOT NULL OR seal.key_place = 'configured' ORDER BY seal_grant.id
"""
    ).columns(*(named(name.rpartition(" ")[2].rpartition(".")[2]) for name in _OF_BOTH))
)
_LOCK_COUNTED = SqlStatement(
    text(
        "SELECT id FROM seal_grant WHERE max_uses IS NOT NULL"
        " AND id IN (SELECT seal_grant FROM seal_use WHERE id = ANY(:uses)) ORDER BY id FOR NO KEY UPDATE"
    ).bindparams(bindparam("uses", type_=ARRAY(Uuid())))
)
_COUNT = SqlStatement(
    GRANT.update()
    .where(GRANT.c.id == bindparam("row"), GRANT.c.max_uses.is_not(None))
    .values(used=GRANT.c.used + bindparam("more"))
)


def opening_of_contract_seals(campus: str) -> Opening:
    """Return what `Seals.get_contract_seals` reads."""
    return Opening(_FOR_CONTRACTS, {"campus": campus})


class Seals(Repository):
    # ---- seals

    async def add(self, seal: Seal) -> bool:
        """Add a seal. Return False, and add nothing, if the name is taken or the configured seal already exists."""
        values = vars(seal) | {"kind": seal.kind.value, "state": seal.state.value, "key_place": seal.key_place.value}
        statement = insert(SEAL).values(values | {"chain": list(seal.chain)}).on_conflict_do_nothing()
        return (await self._connection.execute(statement)).rowcount == 1

    async def get(self, seal: UUID) -> Seal:
        """Return a seal. Raises SealNotFound, also outside the scope."""
        return await self._one(_GET, seal)

    async def lock(self, seal: UUID) -> Seal:
        """Return a seal for a change: uses and other changes wait until this transaction ends. Raises SealNotFound."""
        return await self._one(_LOCK, seal)

    async def _one(self, statement: SqlStatement, seal: UUID) -> Seal:
        row = (await self._connection.execute(statement, {"seal": seal})).first()
        if row is None:
            raise SealNotFound
        return read_seal(row)

    async def find(self, name: str) -> Seal | None:
        """Return the seal with this name."""
        return await self._connection.find(read_seal, select(SEAL).where(SEAL.c.name == name))

    async def get_configured(self) -> Seal | None:
        """Return the configured seal; None before its first use."""
        return await self._connection.find(read_seal, _CONFIGURED)

    async def list_all(self) -> list[Seal]:
        """Return the seals within the scope by name, revoked and archived ones last."""
        rows = await self._connection.execute(select(SEAL).order_by(SEAL.c.state.in_(_OVER), SEAL.c.name))
        return [read_seal(row) for row in rows]

    async def list_ending(self, before: datetime) -> list[Seal]:
        """Return the seals in use whose certificate expires before this moment, the earliest first."""
        used = SEAL.c.state.in_([SealState.MADE.value, SealState.ACTIVE.value, SealState.SUSPENDED.value])
        statement = select(SEAL).where(used, SEAL.c.ends_at < before).order_by(SEAL.c.ends_at)
        return [read_seal(row) for row in await self._connection.execute(statement)]

    async def save(self, seal: Seal) -> None:
        """Write state, key and certificate of a seal that was read under its lock."""
        values: dict[str, Any] = {"state": seal.state.value, "changed_at": seal.changed_at}
        values |= {"key_label": seal.key_label}
        values |= {"chain": list(seal.chain), "ends_at": seal.ends_at}
        await self._connection.execute(SEAL.update().where(SEAL.c.id == seal.id).values(values))

    # ---- applications

    async def add_request(self, request: SealRequest) -> None:
        values = vars(request) | {"state": request.state.value, "approvals": dict(request.given)}
        await self._connection.execute(insert(REQUEST).values(values))

    async def get_request(self, seal: UUID) -> SealRequest | None:
        """Return the application for a seal; None for the configured seal. Lock the seal before changing it."""
        return await self._connection.find(_request, select(REQUEST).where(REQUEST.c.seal == seal))

    async def save_request(self, request: SealRequest) -> None:
        values: dict[str, Any] = {"state": request.state.value, "approvals": dict(request.given)}
        values |= {"ended_at": request.ended_at, "ended_by": request.ended_by}
        await self._connection.execute(REQUEST.update().where(REQUEST.c.id == request.id).values(values))

    # ---- grants

    async def add_grant(self, grant: SealGrant) -> None:
        values = {name: value for name, value in vars(grant).items() if name != "grantee"}
        values |= {"grantee_kind": grant.grantee.kind.value, "grantee": grant.grantee.name}
        values |= {"templates": list(grant.templates)}
        await self._connection.execute(insert(GRANT).values(values))

    async def list_grants(self, seal: UUID) -> list[SealGrant]:
        """Return the grants of a seal: valid ones first, then the newest first."""
        order = (GRANT.c.revoked_at.is_not(None), GRANT.c.granted_at.desc(), GRANT.c.id)
        rows = await self._connection.execute(select(GRANT).where(GRANT.c.seal == seal).order_by(*order))
        return [_grant(row) for row in rows]

    async def revoke_grants(self, seal: UUID, by: str, at: datetime, only: UUID | None = None) -> int:
        """Revoke the grants of a seal, or `only` one of them. Return how many. The caller has locked the seal."""
        live = (GRANT.c.seal == seal) & GRANT.c.revoked_at.is_(None)
        wanted = live if only is None else live & (GRANT.c.id == only)
        done = await self._connection.execute(GRANT.update().where(wanted).values(revoked_at=at, revoked_by=by))
        return done.rowcount

    async def get_contract_seals(self, campus: str) -> ContractSeals:
        """Return the configured seal, and the grants to CONTRACTS of all seals that can still be used, with these
        seals, judged from `campus`."""
        rows = await self._connection.execute(_FOR_CONTRACTS, {"campus": campus})
        seals = [read_seal({column.name: row[f"seal_{column.name}"] for column in SEAL.c}) for row in rows]
        candidates = tuple(read_candidate(row) for row in rows if row["id"] is not None)
        configured = next((seal for seal in seals if seal.key_place is KeyPlace.CONFIGURED), None)
        return ContractSeals(candidates, {seal.id: seal for seal in seals}, configured)

    async def lock_counted(self, uses: Collection[UUID]) -> None:
        """Lock the grants on which these uses were counted. Call this before changing the lines of the uses."""
        await self._connection.execute(_LOCK_COUNTED, {"uses": list(uses)})

    async def count_uses(self, counted: Mapping[UUID, int]) -> None:
        """Add to the counted uses of grants, in the order of their ids. Grants without a limit are not counted."""
        for grant in sorted(counted):
            await self._connection.write(_COUNT, {"row": grant, "more": counted[grant]})


def read_seal(row: Row | Mapping[str, Any]) -> Seal:
    values = {name: row[name] for name in Seal.__dataclass_fields__}
    values |= {"kind": SealKind(row["kind"]), "state": SealState(row["state"]), "chain": tuple(row["chain"])}
    return Seal(**values | {"key_place": KeyPlace(row["key_place"])})


def _request(row: Row) -> SealRequest:
    values = dict(row) | {"state": SealRequestState(row["state"]), "approvals": dict(row["approvals"])}
    return SealRequest(**values)


def _grant(row: Row | Mapping[str, Any]) -> SealGrant:
    values: dict[str, Any] = {name: row[name] for name in SealGrant.__dataclass_fields__ if name != "grantee"}
    values |= {"templates": tuple(row["templates"])}
    return SealGrant(**values, grantee=Grantee(GranteeKind(row["grantee_kind"]), row["grantee"]))


def read_candidate(row: Row | Mapping[str, Any]) -> CandidateGrant:
    return CandidateGrant(_grant(row), row["distance"])
