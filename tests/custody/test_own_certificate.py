"""A signer brings a certificate that their own authority issued: what is accepted, and what is not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import ProtocolProblem
from tests.commands import verify_command
from tests.custody.outside_authority import TOKEN_POLICY, OutsideAuthority, ec_key, outside_authority, person, usage
from tests.running import ADULT_ID, STUDENT_PHONE, Running, running_hub
from tests.web.signer.test_sign_protocol import ADULT, ANY_ORDER
from tests.web.signer_visits import NAME, verified

pytestmark = [pytest.mark.custody, pytest.mark.real]


@dataclass
class Place:
    running: Running
    authority: OutsideAuthority


class RsaKey:
    """A holder with an RSA key in memory."""

    custody = "usb-token"

    def __init__(self, bits: int = 2048) -> None:
        self.key = rsa.generate_private_key(65537, bits)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.spki = self.key.public_key().public_bytes(serialization.Encoding.DER, form)

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class EcKey(SoftwareKey):
    custody = "usb-token"

    def __init__(self) -> None:
        self.key = ec_key()
        super().__init__(self.key)


@pytest.fixture(scope="module")
def rsa_key() -> RsaKey:
    return RsaKey()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with hub_that_trusts(tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def hub_that_trusts(folder: Path) -> AsyncIterator[Place]:
    async with outside_authority() as authority:
        configured = {
            "trusted_signers": [str(authority.write_root(folder / "root.pem"))],
            "token_only_policies": [TOKEN_POLICY],
        }
        async with running_hub(configured=configured) as running:
            yield Place(running, authority)


async def facts_of(running: Running, contract: Contract, kind: str) -> list[dict[str, Any]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [dict(entry.facts) for entry in await tx.record.list_entries(contract.id) if entry.kind == kind]


async def bring(place: Place, client: SigningClient, key: EcKey | RsaKey, **how: Any) -> tuple[bytes, ...]:
    certificate = place.authority.issue(key.key.public_key(), how.pop("subject", person(NAME)), **how)
    return await client.key(key, chain=place.authority.chain(certificate))


@pytest.mark.parametrize(
    ("kind", "policies", "custody"),
    [
        pytest.param("ec", (), "software", marks=pytest.mark.real),
        ("rsa", (TOKEN_POLICY,), "usb-token"),
    ],
)
async def test_a_contract_signed_with_it_is_verified(
    place: Place, rsa_key: RsaKey, tmp_path: Path, kind: str, policies: tuple[str, ...], custody: str
) -> None:
    running, contract = place.running, await place.running.issue_minor()
    key = rsa_key if kind == "rsa" else EcKey()
    async with verified(running, contract) as client:
        chain = await bring(place, client, key, policies=policies, key_usage=usage(digital_signature=True))
        assert chain[-1] == place.authority.root.public_bytes(serialization.Encoding.DER)
        assert (await client.sign(key)).state == "SIGNED"
    final = tmp_path / "final.pdf"
    final.write_bytes(await running.completed(contract))
    (accepted,) = await facts_of(running, contract, "signature-accepted")
    assert (accepted["custody_claimed"], accepted["custody"]) == ("usb-token", custody)
    (brought,) = await facts_of(running, contract, "certificate-brought")
    assert brought["custody"] == custody and "Outside Root" in brought["authority"]
    done = verify_command(final, running.hub.settings.data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Outside Issuing" in done.stdout


NOT_TAKEN: list[tuple[dict[str, Any], str]] = [
    ({"subject": person("张三")}, "certificate-of-somebody-else"),
    ({"begins": timedelta(days=-30), "ends": timedelta(days=-1)}, "certificate-not-valid"),
    ({"begins": timedelta(days=1)}, "certificate-not-valid"),
    ({"ends": timedelta(hours=12)}, "certificate-not-valid"),
    ({"ends": timedelta(days=3)}, "certificate-not-valid"),  # before the CRL that covers it
    ({"key_usage": usage(key_encipherment=True)}, "certificate-not-for-signing"),
    ({"key_usage": None}, "certificate-not-for-signing"),
    ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, "certificate-not-for-signing"),
    ({"listed": False}, "certificate-not-trusted"),
]


async def test_what_is_not_taken_and_that_it_is_recorded(place: Place) -> None:
    contract = await place.running.issue_minor()
    async with verified(place.running, contract) as client:
        for how, code in NOT_TAKEN:
            with pytest.raises(ProtocolProblem) as refused:
                await bring(place, client, EcKey(), **how)
            assert (refused.value.status, refused.value.code) == (403, code), how
        with pytest.raises(ProtocolProblem, match="wrong-proof"):
            await client.prepare(await client.contract())
    recorded = await facts_of(place.running, contract, "certificate-refused")
    assert [facts["reason"] for facts in recorded] == [code for _, code in NOT_TAKEN]


async def test_a_name_in_its_parts_is_a_name(place: Place) -> None:
    contract = await place.running.issue_minor()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "SIGN-0017"),
            x509.NameAttribute(NameOID.SURNAME, "陈"),
            x509.NameAttribute(NameOID.GIVEN_NAME, "建国"),
        ]
    )
    async with verified(place.running, contract) as client:
        assert len(await bring(place, client, EcKey(), subject=subject)) == 3


async def test_a_revoked_one_an_unknown_authority_and_lists_that_cannot_be_had(place: Place) -> None:
    contract = await place.running.issue_minor()
    key = EcKey()
    certificate = place.authority.issue(key.key.public_key(), person(NAME))
    stranger = OutsideAuthority(place.authority.url)
    async with verified(place.running, contract) as client:
        place.authority.revoked.add(x509.load_der_x509_certificate(certificate).serial_number)
        with pytest.raises(ProtocolProblem, match="certificate-revoked"):
            await client.key(key, chain=place.authority.chain(certificate))
        place.authority.away = True
        with pytest.raises(ProtocolProblem) as away:
            await client.key(key, chain=place.authority.chain(certificate))
        assert (away.value.status, away.value.code) == (503, "authority-unavailable")
        unknown = stranger.chain(stranger.issue(key.key.public_key(), person(NAME)))
        asked = len(place.authority.fetched)
        with pytest.raises(ProtocolProblem, match="certificate-not-trusted"):
            await client.key(key, chain=unknown)
        assert len(place.authority.fetched) == asked  # no request is made because of a stranger's certificate
        weak = RsaKey(1024)
        with pytest.raises(ProtocolProblem, match="bad-input"):
            await bring(place, client, weak)


async def test_a_key_and_its_proof(place: Place) -> None:
    contract = await place.running.issue_minor()
    mine, other = EcKey(), EcKey()
    certificate = place.authority.issue(mine.key.public_key(), person(NAME))
    async with verified(place.running, contract) as client:
        with pytest.raises(ProtocolProblem, match="wrong-proof"):
            await client.key(other, chain=place.authority.chain(certificate))
        chain = await client.key(mine)  # from the built-in authority, as for a token without a certificate
        assert await client.key(mine, chain=chain) == chain


async def test_a_key_of_somebody_else(place: Place) -> None:
    running = place.running
    contract = await running.issue_minor(student=ADULT, signers=ANY_ORDER)
    key = EcKey()
    async with verified(running, contract) as guardian:
        await guardian.key(key)
    async with verified(running, contract, 1, "李想", ADULT_ID[-4:], STUDENT_PHONE) as student:
        with pytest.raises(ProtocolProblem) as refused:
            await student.key(key)
    assert (refused.value.status, refused.value.code) == (403, "key-of-somebody-else")
