"""Obtain a certificate for a new key from the authority that the rules choose. If that authority is unavailable, ask
the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from asn1crypto import keys

from hub.authorities import Issued
from hub.errors import AuthorityRefused, AuthorityUnavailable, BadInput, Unavailable
from hub.lifecycle.messaging.service_alerts import stand_in, warn
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import Visit
from hub.model.contract.contract import Contract
from hub.model.signing.authority_choice import choose_authorities, drop_trial_authorities
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from qianda.passkey_binding import PasskeyBinding

log = structlog.get_logger()


@dataclass(frozen=True)
class ObtainedCertificate:
    """An issued certificate and the name of the authority that issued it.

    `attempt` is still open: the transaction that stores the certificate ends it. `passed_over`: the names of the
    authorities that were asked earlier and did not answer.
    """

    authority: str
    issued: Issued
    attempt: UUID
    passed_over: tuple[str, ...]


@dataclass(frozen=True)
class CertificateOrder:
    """An order for a certificate for the public key `spki` (DER), valid for at least `life`.

    `authorities`: the names of the authorities to ask, in this order. `first_attempt`: the attempt row for the first
    authority. `passkey`: the passkey that the certificate is to name, if the authority can do that.
    """

    spki: bytes
    life: timedelta
    authorities: Sequence[str]
    first_attempt: UUID
    passkey: PasskeyBinding | None = None


async def begin_order(
    services: Services, tx: Transaction, contract: Contract, key: tuple[bytes, PasskeyBinding | None], life: timedelta
) -> CertificateOrder:
    """Choose the authorities that may be asked, and begin the first attempt. `key`: the public key (DER) and its
    passkey.

    Raises BadInput for a key that cannot be read, AuthorityUnavailable if no authority may be asked.
    """
    spki, passkey = key
    names = await _list_candidates(services, tx, contract, spki)
    if not names:
        raise AuthorityUnavailable("no authority is configured for this contract")
    attempt = await tx.signatures.begin_attempt("certificate", contract.id, None, tx.now)
    return CertificateOrder(spki, life, names, attempt, passkey)


async def obtain_certificate(services: Services, visiting: Visit, order: CertificateOrder) -> ObtainedCertificate:
    """Ask the authorities one after the other until one issues a certificate. Each call has an attempt row before it.

    Raises AuthorityUnavailable or TokenUnavailable if none of them can be reached. Raises AuthorityRefused as soon as
    one refuses, without asking another. A certificate that arrives after its call timed out is never used.
    """
    failures: list[tuple[str, Unavailable]] = []
    for name in order.authorities:
        attempt = await _begin(services, visiting.contract) if failures else order.first_attempt
        try:
            issued = await services.signing.authorities.by_name[name].enrol(
                order.spki, visiting.signer.name, services.signing.randomness(12).hex(), order.life, order.passkey
            )
        except (AuthorityRefused, BadInput) as error:
            await _end(services, attempt, f"{name}: {error.code}: {error}")
            raise
        except Unavailable as error:
            services.signing.authorities.cooldowns.record_failure(name, services.clock())
            failures.append((name, error))
            log.warning("authority unavailable", authority=name, reason=str(error)[:300])
            await _end(services, attempt, f"{name}: {error.code}: {error}")
            continue
        services.signing.authorities.cooldowns.record_success(name)
        passed_over = tuple(failed for failed, _ in failures)
        await _tell_staff(services, passed_over, name)
        return ObtainedCertificate(name, issued, attempt, passed_over)
    await _tell_staff(services, [name for name, _ in failures], "")
    raise failures[-1][1]


async def _list_candidates(services: Services, tx: Transaction, contract: Contract, spki: bytes) -> list[str]:
    """Return the names of the authorities that may be asked, in order. Those that failed recently come last."""
    authorities = services.signing.authorities
    by_campus = any(rule.campuses for rule in authorities.rules)
    campuses = set(await tx.school.list_campuses_above(contract.campus) if by_campus else ())
    chosen = choose_authorities(authorities.rules, campuses, contract.template, _kind_of_key(spki))
    demands = services.documents.printer.templates.demands_on(contract)
    trial = {name for name, authority in authorities.by_name.items() if authority.trial}
    allowed = drop_trial_authorities(chosen or (authorities.default,), trial, demands.trial_allowed)
    return authorities.cooldowns.sort_by_cooldown(allowed, services.clock())


def _kind_of_key(spki: bytes) -> str:
    try:
        return str(keys.PublicKeyInfo.load(spki).algorithm)
    except ValueError as error:
        raise BadInput("the public key cannot be read", field="spki") from error


async def _begin(services: Services, contract: Contract) -> UUID:
    async with services.database.transaction(EVERYTHING) as tx:
        return await tx.signatures.begin_attempt("certificate", contract.id, None, tx.now)


async def _end(services: Services, attempt: UUID, failure: str) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now, failure=failure)


async def _tell_staff(services: Services, away: Sequence[str], instead: str) -> None:
    for name in away:
        await warn(services.database, "authority-away", name, **stand_in(instead))
