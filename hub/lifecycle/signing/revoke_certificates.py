"""Revoke the certificates of a revoked key at the authorities that issued them, so that everybody can see it.

Earlier signatures must stay valid, so their timestamps must lie before the revocation. The revocation therefore waits
until each signature has its timestamp, then for CLOCK_TOLERANCE: a timestamp service's clock may be that far ahead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import Enum, auto
from uuid import UUID, uuid4

import structlog

from hub.authorities import CertificateStatus
from hub.documents.signing.signature import certified_key
from hub.errors import AuthorityRefused, Unavailable
from hub.lifecycle.services import Services
from hub.model.contract.contract import FIRST_RETRY, TRIES_BEFORE_STAFF, compute_backoff
from hub.model.signing.device_key import AppKey
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.signing.issued_certificates import PersonsCertificate
from hub.store.transaction import Transaction
from hub.timestamps import CLOCK_TOLERANCE

REASON = "key_compromise"
NOT_REVOKED = "certificate-not-revoked"
SAID = "A device was lost, and its certificate could not be revoked. Please ask the authority to revoke it."
log = structlog.get_logger()


class Outcome(Enum):
    DONE = auto()
    AWAY = auto()
    REFUSED = auto()


async def revoke_certificates(services: Services, key_id: UUID) -> None:
    """Revoke the certificates of one revoked key as far as possible now, and plan the next try.

    An authority that does not answer is asked again after 1 minute, doubling to 1 hour, until the certificate has
    expired. Staff get a task after TRIES_BEFORE_STAFF unanswered tries, or at once if an authority refuses.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        key = await tx.app_keys.get(key_id, lock=True)
        if key is None or key.revoked_at is None or key.certificates_due_at is None:
            return
        tries = key.certificate_tries
        # The next try is planned first, in case this process dies.
        await tx.app_keys.plan_certificates(key.id, tx.now + compute_backoff(tries), tries)
        theirs = await tx.certificates.list_of_person(key.person, tx.now)
        theirs = [each for each in theirs if certified_key(each.certificate) == key.spki]
        since = tx.now - CLOCK_TOLERANCE
        waiting = [
            each for each in theirs if await tx.certificates.has_signed_lately(key.person, each.certificate, since)
        ]
    outcomes = [(each, await _revoked(services, key, each)) for each in theirs if each not in waiting]
    async with services.database.transaction(EVERYTHING) as tx:
        await _note(tx, key, outcomes, bool(waiting))


async def _note(
    tx: Transaction, key: AppKey, outcomes: Sequence[tuple[PersonsCertificate, Outcome]], waiting: bool
) -> None:
    """Plan the next try, and create tasks for what staff have to do themselves."""
    away = [each for each, outcome in outcomes if outcome is Outcome.AWAY]
    tries, again = key.certificate_tries + bool(away), None
    if away or waiting:
        again = tx.now + (compute_backoff(tries) if away else FIRST_RETRY)
    await tx.app_keys.plan_certificates(key.id, again, tries)
    told = [each for each, outcome in outcomes if outcome is Outcome.REFUSED]
    told += away if away and tries == TRIES_BEFORE_STAFF else []
    for signer in dict.fromkeys(each.signer for each in told):
        theirs = [each for each in told if each.signer == signer]
        text = "\n".join([SAID, *(f"{each.authority}: {each.serial:x}" for each in theirs)])
        await tx.staff_tasks.add_task_once(
            StaffTask(uuid4(), NOT_REVOKED, text, theirs[0].campus, tx.now, theirs[0].contract, signer)
        )


# ---- one certificate


async def _revoked(services: Services, key: AppKey, issued: PersonsCertificate) -> Outcome:
    async with services.database.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("revoke", issued.contract, None, tx.now)
    try:
        await _ask(services, issued)
    except (Unavailable, AuthorityRefused) as error:
        log.warning("certificate not revoked", authority=issued.authority, reason=str(error)[:300])
        async with services.database.transaction(EVERYTHING) as tx:
            failure = f"{issued.authority}: {error.code}: {error}"
            await tx.signatures.end_attempt(attempt, tx.now, failure=failure)
        return Outcome.AWAY if isinstance(error, Unavailable) else Outcome.REFUSED
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now)
        if await tx.certificates.revoke(issued.authority, issued.serial, tx.now, REASON):
            facts = {"authority": issued.authority, "serial": str(issued.serial), "reason": REASON}
            facts |= {"device": str(key.id), "certificate_sha256": hashlib.sha256(issued.certificate).hexdigest()}
            await tx.record.append(issued.contract, issued.campus, "certificate-revoked", "hub", facts)
    return Outcome.DONE


async def _ask(services: Services, issued: PersonsCertificate) -> None:
    authority = services.signing.authorities.by_name.get(issued.authority)
    if authority is None:
        raise AuthorityRefused(f"{issued.authority} is not configured any more")
    try:
        await authority.revoke(issued.certificate, REASON)
    except AuthorityRefused:
        # Perhaps an earlier call revoked it and only the answer was lost.
        if await authority.status(issued.certificate) is not CertificateStatus.REVOKED:
            raise
