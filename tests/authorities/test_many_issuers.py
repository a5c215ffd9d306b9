"""The names in a chain from a stranger: many of one name do not keep the hub busy, odd ones are no fault of the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from pyhanko_certvalidator.registry import CertificateRegistry

from hub.attestations.chains import leads_to, read_chain
from hub.authorities.brought import SignerTrust, check_chain
from hub.errors import BadInput, CertificateNotTrusted
from tests.made_certificates import NOW, certificate, key, of_one_name

pytestmark = pytest.mark.asyncio
# Some more than the certificates sent: each is looked at once or twice.
MAX_LOOKS = 20


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of certificates whose issuers the validator looked for."""
    found: list[str] = []
    look = CertificateRegistry.find_potential_issuers

    def noted(registry: CertificateRegistry, of: asn1_x509.Certificate, *more: Any) -> Any:
        found.append(of.subject.human_friendly)
        return look(registry, of, *more)

    monkeypatch.setattr(CertificateRegistry, "find_potential_issuers", noted)
    return found


async def test_certificates_of_one_name_are_not_tried_in_every_order(looks: list[str]) -> None:
    root_key = key()
    root, (leaf, others) = certificate("root", root_key, "root", root_key), of_one_name()
    sent = [leaf, *others]
    with pytest.raises(CertificateNotTrusted):
        await check_chain(sent, SignerTrust((root,), root), NOW)
    assert 0 < len(looks) <= MAX_LOOKS
    looks.clear()
    assert not await leads_to([root], read_chain(sent) or [], NOW)
    assert 0 < len(looks) <= MAX_LOOKS


async def test_an_authority_with_two_certificates_is_found() -> None:
    root_key, issuing_key, leaf_key, other_key = key(), key(), key(), key()
    root = certificate("root", root_key, "root", root_key)
    below = certificate("issuing", issuing_key, "root", root_key)
    below_another = certificate("issuing", issuing_key, "another root", other_key)
    leaf = certificate("leaf", leaf_key, "issuing", issuing_key, ca=False)
    sent = [leaf, below_another, below]
    assert (await check_chain(sent, SignerTrust((root,), root), NOW)).chain == (leaf, below, root)
    assert await leads_to([root], read_chain(sent) or [], NOW)


async def test_a_certificate_that_is_sent_twice_takes_the_place_of_no_other() -> None:
    root_key, issuing_key, leaf_key = key(), key(), key()
    root = certificate("root", root_key, "root", root_key)
    below_another = certificate("issuing", issuing_key, "another root", key())
    below = certificate("issuing", issuing_key, "root", root_key)
    leaf = certificate("leaf", leaf_key, "issuing", issuing_key, ca=False)
    sent = [leaf, below_another, below_another, below]
    assert (await check_chain(sent, SignerTrust((root,), root), NOW)).chain == (leaf, below, root)
    assert await leads_to([root], read_chain(sent) or [], NOW)


async def rounds_during(check: Coroutine[Any, Any, object]) -> int:
    """Return how often the event loop came round during a check."""
    checking, rounds = asyncio.ensure_future(check), 0
    while not checking.done():
        await asyncio.sleep(0.001)
        rounds += 1
    await asyncio.gather(checking, return_exceptions=True)
    return rounds


def wide_chain() -> list[bytes]:
    """Return a chain whose names take long to be read."""
    wide = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{number}部门" * 5) for number in range(180)]
    signing = [key() for _ in range(6)]
    return [
        certificate(f"{number}", signing[number], f"{number + 1}", signing[number + 1], ca=number > 0, more=wide)
        for number in range(5)
    ]


async def test_wide_names_keep_nobody_else_waiting() -> None:
    sent = wide_chain()
    assert await rounds_during(check_chain(sent, SignerTrust((sent[-1],), b""), NOW)) > 1
    chain = read_chain(sent)
    assert chain is not None
    assert await rounds_during(leads_to([sent[-1]], chain, NOW)) > 1


@pytest.mark.parametrize(
    "parts",
    [
        [x509.NameAttribute(NameOID.COMMON_NAME, "\ue000")],
        [x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00a", _ASN1Type.BitString)],
        [x509.NameAttribute(NameOID.COMMON_NAME, "same")] * 1200,
    ],
)
async def test_a_certificate_whose_names_cannot_be_compared_is_unreadable(
    parts: Sequence[x509.NameAttribute[Any]],
) -> None:
    root_key = key()
    root = certificate("root", root_key, "root", root_key)
    odd = certificate("odd", key(), "root", root_key, ca=False, more=parts)
    with pytest.raises(BadInput, match="cannot be read"):
        await check_chain([odd], SignerTrust((root,), root), NOW)
    assert read_chain([odd]) is None


@pytest.mark.parametrize(
    "issued_by",
    [
        x509.AuthorityKeyIdentifier(None, [x509.DNSName("x")], 1),
        x509.AuthorityKeyIdentifier(None, [x509.UniformResourceIdentifier("http://x")], 1),
        x509.UnrecognizedExtension(x509.AuthorityKeyIdentifier.oid, bytes.fromhex("3005a103820178")),
    ],
    ids=["a host", "an address", "no serial number"],
)
async def test_a_certificate_whose_issuer_has_another_kind_of_name_is_unreadable(issued_by: x509.ExtensionType) -> None:
    root_key, leaf_key, issuing_key = key(), key(), key()
    root, issuing = (certificate(of, each, of, each) for of, each in (("root", root_key), ("issuing", issuing_key)))
    odd = certificate("odd", leaf_key, "issuing", issuing_key, ca=False, issued_by=issued_by)
    with pytest.raises(BadInput, match="cannot be read"):
        await check_chain([odd, issuing], SignerTrust((root,), root), NOW)
    assert read_chain([odd, issuing]) is None
