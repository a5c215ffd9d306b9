"""Determine who signed a package, and when: chain, revocation and timestamp, offline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import crl
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathError, ValidationError

from qianda.evidence import reasons
from qianda.evidence.container import AsicContainer
from qianda.evidence.evidence_record import ProvenFiles
from qianda.evidence.reasons import BadPackage
from qianda.verify.cms_check import BadCmsSignature, CheckedCms, CheckedTimestamp, signature_timestamp
from qianda.verify.elements import part_of
from qianda.verify.pdf.issuers import patch_pyhanko
from qianda.verify.purpose import is_for_signing
from qianda.verify.reasons import NO_TRUST, NOT_FOR_SIGNING, SEAL_UNKNOWN
from qianda.verify.trust import Trust

CRL_FOLDER = "trust/"
# Certificates and lists are parsed only on access. AttributeError: an issuer is named by a host or an address.
_FAULTS = (PathError, ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True)
class PackageSigner:
    """Who made the package. `trial`: a certificate of the built-in authority or timestamp service was used."""

    name: str
    organisation: str
    signed_at: datetime
    trial: bool


def check_signer(container: AsicContainer, trust: Trust) -> PackageSigner:
    """Check that a trusted seal of an organisation made the package, at a time that a trusted authority states.

    Runs an event loop: call it where none is running. Raises BadPackage.
    """
    if not container.signatures:
        raise BadPackage(reasons.SIGNATURE_MISSING)
    if not trust.authorities:
        raise BadPackage(NO_TRUST)
    find_trusted_proofs(container, trust)
    signers = [_check_one(checked, container.items, trust) for checked in container.signatures.values()]
    return signers[0]


def _check_one(checked: CheckedCms, items: Mapping[str, bytes], trust: Trust) -> PackageSigner:
    try:
        stamp = signature_timestamp(checked)
    except BadCmsSignature as error:
        raise BadPackage(error.reason) from error
    _check_stamp(stamp, trust)
    if not trust.is_seal(checked.certificate):
        raise BadPackage(SEAL_UNKNOWN)
    if not is_for_signing(checked.certificate):
        raise BadPackage(NOT_FOR_SIGNING)
    asyncio.run(_check_chain(checked, _revocation_lists(items), trust, stamp.time))
    subject = checked.certificate.subject
    trial = trust.is_trial(checked.certificate, checked.certificates) or trust.is_trial(stamp.certificate)
    organisation = part_of(subject, "organization_name") if "organization_name" in subject.native else ""
    return PackageSigner(part_of(subject, "common_name"), organisation, stamp.time, trial)


async def _check_chain(checked: CheckedCms, lists: list[crl.CertificateList], trust: Trust, moment: datetime) -> None:
    """Check that a path leads to a trusted authority, and that no certificate on it was revoked at that moment."""
    patch_pyhanko()
    try:
        context = ValidationContext(
            trust_roots=list(trust.authorities),
            other_certs=list(checked.certificates),
            crls=lists,
            moment=moment,
            allow_fetching=False,
            revocation_mode="require",
        )
        await CertificateValidator(checked.certificate, validation_context=context).async_validate_path()
    except _FAULTS as error:
        raise BadPackage(reasons.SIGNER_UNKNOWN) from error


def _revocation_lists(items: Mapping[str, bytes]) -> list[crl.CertificateList]:
    try:
        lists = [
            crl.CertificateList.load(content, strict=True)
            for name, content in items.items()
            if name.startswith(CRL_FOLDER) and name.endswith(".crl")
        ]
        for each in lists:
            each.native  # noqa: B018 - otherwise parsed only on access
    except (ValueError, TypeError, KeyError) as error:
        raise BadPackage(reasons.LISTS_UNREADABLE) from error
    return lists


def find_trusted_proofs(container: AsicContainer, trust: Trust) -> dict[str, ProvenFiles]:
    """Return the evidence records whose timestamps are all of trusted authorities, by manifest.

    If two authorities timestamped the root, one that is trusted is enough; the other's record then proves nothing.
    Raises BadPackage if a record is wrong, whoever made it, and if there are records but none is trusted.
    """
    trusted = {}
    for name, proof in container.proofs.items():
        for stamp in proof.timestamps:
            _check_time_of(stamp)
        if all(trust.pins(stamp.encoded_certificate) for stamp in proof.timestamps):
            trusted[name] = proof
    if container.proofs and not trusted:
        raise BadPackage(reasons.TIME_UNKNOWN)
    return trusted


def check_proof(proof: ProvenFiles, trust: Trust) -> None:
    """Check that trusted authorities made all timestamps of an evidence record. Raises BadPackage."""
    for stamp in proof.timestamps:
        _check_stamp(stamp, trust)


def _check_stamp(stamp: CheckedTimestamp, trust: Trust) -> None:
    if not trust.pins(stamp.encoded_certificate):
        raise BadPackage(reasons.TIME_UNKNOWN)
    _check_time_of(stamp)


def _check_time_of(stamp: CheckedTimestamp) -> None:
    if not stamp.was_alive:
        raise BadPackage(reasons.TIME_UNKNOWN)
