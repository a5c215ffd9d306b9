"""Check certificates that signers bring, usually on a token: their owner, their issuer, and whether they can sign.

Sources: RFC 5280, 6 (path validation, policies) and 4.2.1.3 (key usage); X.520 for the parts of a name. Whether a
certificate was revoked is checked elsewhere: `revocation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from asn1crypto import x509

from hub.authorities.profile import acceptable_key
from hub.errors import BadInput, CertificateNotForSigning, CertificateNotTrusted, CertificateNotValid
from qianda.bounded_issuers import bound_issuers
from qianda.certificate_reading import read_certificates
from qianda.verify.purpose import SIGNING_USAGES, serves_signing

if TYPE_CHECKING:  # imported when a chain is validated: few signers bring one
    from pyhanko_certvalidator.path import ValidationPath

MAX_CHAIN_LENGTH: Final = 10


@dataclass(frozen=True)
class SignerTrust:
    """Certificates (DER) of the authorities that are trusted for signers. A path ends at the first one that it
    reaches.

    `own`: the root of the built-in authority, which is one of them. `token_only`: policies that allow only keys on
    tokens.
    """

    anchors: tuple[bytes, ...]
    own: bytes
    token_only: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Accepted:
    """A certificate that was accepted.

    `chain`: DER, the signer's first, the trusted authority last. `names`: the person's name in it, with its parts in
    every order. `token_only`: issued under a policy for keys on tokens only.
    """

    chain: tuple[bytes, ...]
    names: tuple[str, ...]
    authority: str
    serial: int
    not_after: datetime
    token_only: bool


async def check_chain(chain: Sequence[bytes], trust: SignerTrust, now: datetime) -> Accepted:
    """Check a signer's chain, without revocation. Return it with the names in it.

    Raises BadInput (unreadable, weak key), CertificateNotForSigning, CertificateNotValid, CertificateNotTrusted.
    """
    # Ten certificates with wide names take seconds. Nothing is fetched, so the steps need no event loop of the hub.
    return await asyncio.to_thread(lambda: asyncio.run(_check(chain, trust, now)))


async def _check(chain: Sequence[bytes], trust: SignerTrust, now: datetime) -> Accepted:
    leaf, others = _read(chain)
    acceptable_key(leaf.public_key.dump())
    _check_usage(leaf)
    path = await _path(leaf, others, trust, now)
    whole = tuple(certificate.dump() for certificate in reversed(list(path)))
    policies = {policy.issuer_domain_policy_id for policy in path.qualified_policies() or ()}
    token_only = whole[-1] != trust.own and not trust.token_only.isdisjoint(policies)
    authority = x509.Certificate.load(whole[-1]).subject.human_friendly
    return Accepted(whole, list_names(leaf), authority, leaf.serial_number, leaf.not_valid_after, token_only)


def list_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the common name, and given name and surname in both orders."""
    parts = certificate.subject.native
    given, surname = (_text(parts.get(part)) for part in ("given_name", "surname"))
    found = [_text(parts.get("common_name"))]
    if given and surname:
        found += [f"{given} {surname}", f"{surname} {given}"]
    return tuple(name for name in found if name)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _read(chain: Sequence[bytes]) -> tuple[x509.Certificate, list[x509.Certificate]]:
    if not 1 <= len(chain) <= MAX_CHAIN_LENGTH:
        raise BadInput(f"a chain has 1 to {MAX_CHAIN_LENGTH} certificates", field="certificate_chain")
    try:
        leaf, *others = read_certificates(chain)
    except ValueError as error:
        raise BadInput(str(error), field="certificate_chain") from error
    return leaf, bound_issuers(others)


def _check_usage(leaf: x509.Certificate) -> None:
    usage = leaf.key_usage_value
    if leaf.ca:
        raise CertificateNotForSigning("it is the certificate of an authority")
    if usage is None or SIGNING_USAGES.isdisjoint(usage.native):
        raise CertificateNotForSigning("its key usage has neither digitalSignature nor nonRepudiation")
    if not serves_signing(leaf):
        raise CertificateNotForSigning("it is meant for other purposes than a person's signature")


async def _path(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: SignerTrust, now: datetime
) -> ValidationPath:
    from pyhanko_certvalidator import CertificateValidator, ValidationContext
    from pyhanko_certvalidator.errors import (
        ExpiredError,
        NotYetValidError,
        PathBuildingError,
        PathError,
        ValidationError,
    )

    anchors = [x509.Certificate.load(der) for der in trust.anchors]
    if leaf.dump() in trust.anchors:
        raise CertificateNotForSigning("it is the certificate of an authority")
    # No lists or answers are given and nothing is fetched, so `qianda.verify.pdf.issuers` has nothing to correct here:
    # copied signatures are believed only where revocation is judged, while a path checks each signature by its key.
    context = ValidationContext(
        trust_roots=anchors, other_certs=list(others), moment=now, allow_fetching=False, revocation_mode="soft-fail"
    )
    try:
        return await CertificateValidator(leaf, others, validation_context=context).async_validate_path()
    except (ExpiredError, NotYetValidError) as error:
        raise CertificateNotValid("it, or one above it, has expired or is not valid yet") from error
    except PathBuildingError as error:
        raise CertificateNotTrusted("none of the authorities that are accepted here stands above it") from error
    except (ValidationError, PathError) as error:
        raise CertificateNotTrusted("its chain is not valid") from error
