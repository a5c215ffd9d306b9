"""Revocation lists of another authority, of another day, or with only a part of the entries: none of them is
believed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from hub.authorities.revocation import RevocationClient
from hub.errors import AuthorityUnavailable
from tests.custody.outside_authority import OutsideAuthority, ec_key, outside_authority, person

Builder = x509.CertificateRevocationListBuilder
Change = Callable[[Builder], Builder]


def spoil(authority: OutsideAuthority, change: Change = lambda builder: builder, *, forged: bool = False) -> None:
    """Change how the authority makes its CRL from now on. `forged`: another key signs in the authority's name."""
    honest = authority._list

    def spoilt(which: str) -> x509.CertificateRevocationList:
        if which != "issuing":
            return honest(which)
        now = datetime.now(UTC)
        builder = Builder().issuer_name(authority.issuing.subject).last_update(now - timedelta(minutes=1))
        builder = change(builder.next_update(now + timedelta(days=7)))
        return builder.sign(ec_key() if forged else authority.issuing_key, hashes.SHA256())

    authority._list = spoilt  # type: ignore[method-assign]


def of_attributes_alone(builder: Builder) -> Builder:
    return builder.add_extension(
        x509.IssuingDistributionPoint(None, None, False, False, None, False, True), critical=True
    )


async def asked(authority: OutsideAuthority, later: timedelta = timedelta(0)) -> bool:
    """Return whether the list says that a new person's certificate is revoked. Raises AuthorityUnavailable."""
    certificate = authority.issue(ec_key().public_key(), person("陈建国"))
    chain = (*authority.chain(certificate), authority.root.public_bytes(Encoding.DER))
    async with aiohttp.ClientSession() as http:
        return (await RevocationClient(http, lambda: datetime.now(UTC) + later).of(chain)).revoked


async def test_a_list_of_its_authority_and_of_today_speaks() -> None:
    async with outside_authority() as authority:
        assert await asked(authority) is False
        spoil(authority)
        assert await asked(authority) is False


@pytest.mark.parametrize("later", [timedelta(days=8), timedelta(minutes=-10)], ids=["run out", "of the future"])
async def test_a_list_that_is_not_of_today_does_not(later: timedelta) -> None:
    async with outside_authority() as authority:
        with pytest.raises(AuthorityUnavailable, match="not of today"):
            await asked(authority, later)


async def test_a_list_that_somebody_else_signed_does_not() -> None:
    async with outside_authority() as authority:
        spoil(authority, forged=True)
        with pytest.raises(AuthorityUnavailable, match="signature is wrong"):
            await asked(authority)


@pytest.mark.parametrize(
    "change",
    [
        lambda builder: builder.add_extension(x509.DeltaCRLIndicator(1), critical=True),
        of_attributes_alone,
    ],
    ids=["changes alone", "other certificates"],
)
async def test_a_part_of_a_list_does_not(change: Change) -> None:
    async with outside_authority() as authority:
        spoil(authority, change)
        with pytest.raises(AuthorityUnavailable, match="does not speak for"):
            await asked(authority)
