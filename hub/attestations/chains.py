"""Chains of certificates from a phone's key to the roots of its platform. Revocation is checked elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from asn1crypto import pem, x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError, PathError, ValidationError

from qianda.bounded_issuers import bound_issuers
from qianda.certificate_reading import read_certificates

MAX_CHAIN_LENGTH: Final = 10


def read_roots(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """Return the certificates (DER) in PEM files, each with one or several. Raises ValueError that names the file."""
    roots: list[bytes] = []
    for path in paths:
        try:
            found = [der for kind, _, der in pem.unarmor(path.read_bytes(), multiple=True) if kind == "CERTIFICATE"]
            for der in found:
                x509.Certificate.load(der, strict=True).native  # noqa: B018 - parses all of it
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: no certificates can be read there ({error})") from error
        if not found:
            raise ValueError(f"{path}: there is no certificate in it")
        roots += found
    return tuple(roots)


def read_chain(chain: Sequence[bytes]) -> list[x509.Certificate] | None:
    """Return the certificates of a chain; None if there are too many, none, or one that cannot be read."""
    if not 1 <= len(chain) <= MAX_CHAIN_LENGTH:
        return None
    try:
        return read_certificates(chain)
    except ValueError:
        return None


async def leads_to(roots: Sequence[bytes], chain: Sequence[x509.Certificate], at: datetime) -> bool:
    """Return whether the first certificate is valid at this moment, by the others and one of the roots (RFC 5280,
    6)."""
    # Wide names take seconds. Nothing is fetched, so the steps need no event loop of the hub.
    return await asyncio.to_thread(lambda: asyncio.run(_leads_to(roots, chain, at)))


async def _leads_to(roots: Sequence[bytes], chain: Sequence[x509.Certificate], at: datetime) -> bool:
    leaf, others = chain[0], bound_issuers(chain[1:])
    if leaf.ca or leaf.dump() in roots:
        return False
    # As in `hub.authorities.brought`, no path believes a copied signature: only revocation would, judged elsewhere.
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(der) for der in roots],
        other_certs=others,
        moment=at,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    try:
        await CertificateValidator(leaf, others, validation_context=context).async_validate_path()
    except (ValidationError, PathError, PathBuildingError, ValueError):
        return False
    return True


def extension(certificate: x509.Certificate, oid: str) -> bytes | None:
    """Return the content of one extension of a certificate; None if it has no such extension, or two."""
    found = [
        each["extn_value"].contents
        for each in certificate["tbs_certificate"]["extensions"]
        if each["extn_id"].dotted == oid
    ]
    return bytes(found[0]) if len(found) == 1 else None
