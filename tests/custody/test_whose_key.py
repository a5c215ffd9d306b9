"""A key and its certificate are those of the person who signs: what a brought certificate has to say, keys that are
somebody else's, and the very certificate that was confirmed for a program."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from hub.errors import CertificateOfSomebodyElse, CertificateRevoked, KeyOfSomebodyElse, NotConfirmed, QiandaError
from hub.lifecycle import certify, pair
from hub.lifecycle.certify import Certified
from hub.model.staff import EVERYTHING
from qianda.holder import SoftwareKey
from tests.custody.outside_authority import OutsideAuthority, ec_key, outside_authority, person
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signing import Person, record_of
from tests.lifecycle.signing import person as signer_of

pytestmark = pytest.mark.custody


async def bring(guardian: Person, authority: OutsideAuthority, name: str, *, revoked: bool = False) -> Certified:
    """A certificate of this name, for a key of theirs."""
    key = ec_key()
    certificate = authority.issue(key.public_key(), person(name))
    if revoked:
        authority.revoked.add(x509.load_der_x509_certificate(certificate).serial_number)
    guardian.key = SoftwareKey(key)
    await guardian.fresh_challenge()
    parts, chain = guardian.running.hub.parts, authority.chain(certificate)
    return await certify.bring_certificate(
        parts, guardian.secret, guardian.contract.id, chain, guardian.proof(), "usb-token"
    )


async def test_a_brought_certificate_names_its_signer_and_is_not_revoked(tmp_path: Path) -> None:
    async with outside_authority() as authority:
        trusted = {"trusted_signers": [str(authority.write_root(tmp_path / "root.pem"))]}
        async with quiet_hub(configured=trusted) as running:
            contract = await running.issue_minor()
            guardian = await signer_of(running, contract)
            await guardian.enter()
            refused: list[tuple[str, bool, type[QiandaError]]] = [
                ("张三", False, CertificateOfSomebodyElse), (guardian.signer.name, True, CertificateRevoked)
            ]  # fmt: skip
            for name, revoked, refusal in refused:
                with pytest.raises(refusal):
                    await bring(guardian, authority, name, revoked=revoked)
            certified = await bring(guardian, authority, guardian.signer.name)
            guardian.chain = certified.chain
            await guardian.sign()
            kinds = await record_of(running, contract)
            assert (kinds.count("certificate-refused"), kinds.count("certificate-brought")) == (2, 1)


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
    """Whoever reads session and pairing one after the other may see the one before a change and the other behind it."""
    async with quiet_hub() as running:
        parts, contract = running.hub.parts, await running.issue_minor()
        page = await signer_of(running, contract)
        await page.enter()
        code, _ = await pair.begin(parts, page.secret, contract.id)
        claimed = await pair.claim(parts, code)
        program = Person(running, contract, page.signer, secret=claimed.secret, challenge=claimed.session.key_challenge)
        (own, *_) = await program.certify()
        for confirmed in (own[:-1] + bytes([own[-1] ^ 1]), own):
            async with running.hub.database.unit(EVERYTHING) as unit:
                session = await unit.sessions.by_secret(program.secret)
                assert session and session.pairing
                await unit.pairings.certified(session.pairing, confirmed)
                assert await unit.pairings.confirm(session.pairing, confirmed, unit.now)
            if confirmed != own:
                with pytest.raises(NotConfirmed):
                    await program.prepare()
        await program.sign()
