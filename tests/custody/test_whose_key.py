"""A key and its certificate belong to the person who signs: what a brought certificate has to say, keys of other
people, and the exact certificate that was confirmed for a program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.errors import (
    BudgetSpent,
    CertificateNotForSigning,
    CertificateNotTrusted,
    CertificateNotValid,
    CertificateOfSomebodyElse,
    CertificateRevoked,
    KeyOfSomebodyElse,
    NotConfirmed,
    QiandaError,
)
from hub.lifecycle.signing import pair_agent, signer_certificates
from hub.lifecycle.signing.signer_certificates import CertifiedKey
from hub.model.signing.signature_request import Custody
from hub.model.staff.scope import EVERYTHING
from qianda.holder import SoftwareKey
from tests.custody.outside_authority import (
    TOKEN_POLICY,
    OutsideAuthority,
    ec_key,
    outside_authority,
    person,
    usage,
)
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import Person, person as signer_of, record_of

pytestmark = pytest.mark.custody


async def bring(guardian: Person, authority: OutsideAuthority, **how: Any) -> CertifiedKey:
    """Bring a certificate for a new key of the guardian, by default a perfect one.

    `revoked`: revoke it before it is brought. `claimed`: the claimed custody of the key.
    """
    key, revoked, claimed = ec_key(), how.pop("revoked", False), how.pop("claimed", "usb-token")
    certificate = authority.issue(key.public_key(), how.pop("subject", person(guardian.signer.name)), **how)
    if revoked:
        authority.revoked.add(x509.load_der_x509_certificate(certificate).serial_number)
    guardian.key = SoftwareKey(key)
    await guardian.fresh_challenge()
    services, chain = guardian.running.hub.services, authority.chain(certificate)
    brought = signer_certificates.BroughtCertificate(tuple(chain), guardian.proof(), claimed)
    return await signer_certificates.bring_certificate(services, guardian.secret, guardian.contract.id, brought)


@asynccontextmanager
async def guardian_whose_authority_is_trusted(
    folder: Path, most: int = 20, **changes: Any
) -> AsyncIterator[tuple[Person, OutsideAuthority]]:
    """Run a hub that trusts another authority. `most`: the most certificates of one person in an hour."""
    async with outside_authority() as authority:
        trusted: dict[str, Any] = {
            "budgets": {"certificates_per_person_hour": most},
            "trusted_signers": [str(authority.write_root(folder / "root.pem"))],
            "token_only_policies": [TOKEN_POLICY],
        }
        # Later than anything that the authority makes meanwhile, and within one hour of the budgets.
        clock = StandingClock(moment=datetime.now(UTC) + timedelta(minutes=10))
        async with quiet_hub(clock, configured=trusted) as running:
            guardian = await signer_of(running, await running.issue_minor(**changes))
            await guardian.enter()
            yield guardian, authority


NOT_TAKEN: list[tuple[dict[str, Any], type[QiandaError]]] = [
    ({"subject": person("张三")}, CertificateOfSomebodyElse),
    ({"revoked": True}, CertificateRevoked),
    ({"begins": timedelta(days=-30), "ends": timedelta(days=-1)}, CertificateNotValid),
    ({"ends": timedelta(hours=12)}, CertificateNotValid),
    ({"ends": timedelta(days=3)}, CertificateNotValid),  # before the CRL that covers it
    ({"key_usage": usage(key_encipherment=True)}, CertificateNotForSigning),
    ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, CertificateNotForSigning),
    ({"listed": False}, CertificateNotTrusted),
]


async def test_a_brought_certificate_names_its_signer_and_is_good_until_the_end(tmp_path: Path) -> None:
    async with guardian_whose_authority_is_trusted(tmp_path) as (guardian, authority):
        for how, refusal in NOT_TAKEN:
            with pytest.raises(refusal):
                await bring(guardian, authority, **how)
        with pytest.raises(CertificateNotTrusted):
            await bring(guardian, OutsideAuthority(authority.url))
        for claimed in ("usb-token", "browser"):
            certified = await bring(guardian, authority, claimed=claimed)
            assert certified.custody is Custody.SOFTWARE
        certified = await bring(guardian, authority, policies=[TOKEN_POLICY])
        assert certified.custody is Custody.USB_TOKEN
        guardian.chain = certified.chain
        await guardian.sign()
        kinds = await record_of(guardian.running, guardian.contract)
        refused = len(NOT_TAKEN) + 1
        assert (kinds.count("certificate-refused"), kinds.count("certificate-brought")) == (refused, 3)


async def test_of_somebody_after_whom_others_sign_it_has_to_be_good_for_longer(tmp_path: Path) -> None:
    async with guardian_whose_authority_is_trusted(tmp_path, signers=two_guardians(1, 2)) as (guardian, authority):
        with pytest.raises(CertificateNotValid, match="before the contract can be completed"):
            await bring(guardian, authority, ends=timedelta(days=20))
        await bring(guardian, authority)


async def test_certificates_that_are_brought_again_and_again_are_counted(tmp_path: Path) -> None:
    async with guardian_whose_authority_is_trusted(tmp_path, 3) as (guardian, authority):
        await bring(guardian, authority)
        with pytest.raises(CertificateOfSomebodyElse):
            await bring(guardian, authority, subject=person("张三"))
        await bring(guardian, authority)
        with pytest.raises(BudgetSpent) as spent:
            await bring(guardian, authority)
        assert spent.value.kind == "certificate-hour"
        assert (await record_of(guardian.running, guardian.contract)).count("certificate-brought") == 2


async def test_a_key_with_which_somebody_else_came_before_is_refused() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        first, second = await signer_of(running, contract, 0), await signer_of(running, contract, 1)
        await first.enter()
        await first.certify()
        await second.enter()
        own, second.key = second.key, first.key
        with pytest.raises(KeyOfSomebodyElse):
            await second.certify()
        second.key = own
        await second.fresh_challenge()
        await second.sign()


async def test_a_program_signs_with_the_very_certificate_that_was_confirmed() -> None:
    """Reading session and pairing one after the other may give the one before a change and the other after it."""
    async with quiet_hub() as running:
        services, contract = running.hub.services, await running.issue_minor()
        page = await signer_of(running, contract)
        await page.enter()
        code, _ = await pair_agent.begin(services, page.secret, contract.id)
        claimed = await pair_agent.claim(services, code)
        program = Person(running, contract, page.signer, secret=claimed.secret, challenge=claimed.session.key_challenge)
        (own, *_) = await program.certify()
        for confirmed in (own[:-1] + bytes([own[-1] ^ 1]), own):
            async with running.hub.database.transaction(EVERYTHING) as tx:
                session = await tx.sessions.find_by_secret(program.secret)
                assert session and session.pairing
                await tx.pairings.store_certificate(session.pairing, confirmed)
                assert await tx.pairings.confirm(session.pairing, confirmed, tx.now)
            if confirmed != own:
                with pytest.raises(NotConfirmed):
                    await program.prepare()
        await program.sign()
