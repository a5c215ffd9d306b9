"""Evidence packages: those that were made, contracts for which a package is due, and the facts for packages."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.contract.contract import Contract
from hub.model.evidence.package import EvidencePackage, IdentityResult, PageOpened
from hub.store.contract.cases import GET_CASE
from hub.store.contract.contracts import VERSIONS
from hub.store.evidence.record import ENTRIES
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.deliveries import opening_of_deliveries
from hub.store.reminders.ledger import LEDGER
from hub.store.signing.issued_certificates import REVOKED
from hub.store.signing.signature_requests import ATTEMPTS, REQUESTS
from hub.store.tables.contract import DOCUMENT_VERSION as VERSION, SIGNING_TASK as TASK
from hub.store.tables.evidence import EVIDENCE_DUE as DUE, EVIDENCE_PACKAGE as PACKAGE
from hub.store.tables.signing import IDENTITY_CHECK as CHECK, PAGE_SEEN as PAGE

_OF_VERSION = VERSION.c.contract == bindparam("contract")
_MINE = PACKAGE.c.contract == bindparam("contract")
_PLAN = SqlStatement(insert(DUE).on_conflict_do_nothing(), ("contract", "campus", "due_at"))
_DUE = SqlStatement(
    select(DUE.c.contract).where(DUE.c.due_at <= bindparam("now")).order_by(DUE.c.due_at).limit(bindparam("limit"))
)
_TRIES = SqlStatement(select(DUE.c.tries).where(DUE.c.contract == bindparam("contract")))
_PUT_OFF = SqlStatement(
    DUE.update().where(DUE.c.contract == bindparam("mine")).values(due_at=bindparam("at"), tries=DUE.c.tries + 1)
)
_DONE = SqlStatement(DUE.delete().where(DUE.c.contract == bindparam("contract")))
_ADD = insert_row(PACKAGE, EvidencePackage.__dataclass_fields__, passing_over=True)
_NEWEST = SqlStatement(select(PACKAGE).where(_MINE).order_by(PACKAGE.c.version.desc()).limit(1))
_NEEDS_FIRST = SqlStatement(
    select(~exists().where(_MINE) & ~exists().where(_OF_VERSION, VERSION.c.erased_at.is_not(None)))
)
_VERSION = SqlStatement(select(PACKAGE).where(_MINE, PACKAGE.c.version == bindparam("version")))
_CHECKS = SqlStatement(
    select(*(CHECK.c[name] for name in IdentityResult.__dataclass_fields__))
    .where(CHECK.c.contract == bindparam("contract"))
    .order_by(CHECK.c.at)
)
_PAGES = SqlStatement(
    select(*(PAGE.c[name] for name in PageOpened.__dataclass_fields__))
    .join(TASK, TASK.c.id == PAGE.c.task)
    .where(TASK.c.contract == bindparam("contract"))
    .order_by(PAGE.c.task, PAGE.c.at, PAGE.c.page)
)


_ERASED = SqlStatement(select(func.count()).select_from(VERSION).where(_OF_VERSION, VERSION.c.erased_at.is_not(None)))


def opening_of_package(contract: UUID, authority: str) -> Opening:
    """Return one opening with all reads for the first package of a contract, so that they see the same snapshot."""
    mine = {"contract": contract}
    reads = (GET_CASE, ENTRIES, VERSIONS, REQUESTS, ATTEMPTS, LEDGER, _CHECKS, _PAGES, _NEWEST)
    others = [Opening(read, mine) for read in reads]
    others += [opening_of_deliveries(contract), Opening(REVOKED, {"authority": authority})]
    return Opening(_TRIES, mine, also=others)


class EvidencePackages(Repository):
    async def plan(self, contract: Contract, at: datetime) -> None:
        """Note that the contract needs a package."""
        await self._connection.write(_PLAN, {"contract": contract.id, "campus": contract.campus, "due_at": at})

    async def list_due(self, now: datetime, limit: int = 50) -> list[UUID]:
        return await self._connection.scalars(_DUE, {"now": now, "limit": limit})

    async def get_tries(self, contract: UUID) -> int | None:
        """Return how many times the hub tried to make a package, or None if no package is due."""
        tries: int | None = await self._connection.scalar(_TRIES, {"contract": contract})
        return tries

    async def put_off(self, contract: UUID, until: datetime) -> None:
        """Count a try, and plan the next one."""
        await self._connection.write(_PUT_OFF, {"mine": contract, "at": until})

    async def forget_due(self, contract: UUID) -> None:
        """Note that no package of the contract is due any more."""
        await self._connection.write(_DONE, {"contract": contract})

    async def add(self, package: EvidencePackage) -> None:
        """Store a version, unless one with this number exists."""
        await self._connection.write(_ADD, vars(package))

    async def needs_first(self, contract: UUID) -> bool:
        """Return whether there is no package yet, and the files for one were not erased. The caller has locked the
        contract."""
        return bool(await self._connection.scalar(_NEEDS_FIRST, {"contract": contract}))

    async def find_newest(self, contract: UUID) -> EvidencePackage | None:
        return await self._connection.find(lambda row: EvidencePackage(**row), _NEWEST, {"contract": contract})

    async def get(self, contract: UUID, version: int) -> EvidencePackage | None:
        row = (await self._connection.execute(_VERSION, {"contract": contract, "version": version})).first()
        return EvidencePackage(**row) if row else None

    async def is_erased(self, contract: UUID) -> bool:
        """Return whether the files of the contract were deleted because a person was erased from it."""
        return bool(await self._connection.scalar(_ERASED, {"contract": contract}))

    async def list_identities(self, contract: UUID) -> list[IdentityResult]:
        return [IdentityResult(**row) for row in await self._connection.execute(_CHECKS, {"contract": contract})]

    async def list_pages(self, contract: UUID) -> list[PageOpened]:
        return [PageOpened(**row) for row in await self._connection.execute(_PAGES, {"contract": contract})]
