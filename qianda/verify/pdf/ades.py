"""Make the full check with pyHanko: chains, revocation and long-term validation, offline.

The timestamp authority has its own validation policy: pinned certificates, no revocation check. With one policy for
everything, a file would fail as soon as the revocation data of its last timestamp expires. Sources: ETSI EN 319 102-1
5.6.3 (long-term validation), ETSI EN 319 142-1 (PAdES).
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate, AdESPassed
from pyhanko.sign.validation.ades import AdESLTAValidationResult, ades_lta_validation
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule
from pyhanko_certvalidator.registry import SimpleTrustManager

from qianda.verify import reasons
from qianda.verify.findings import Element, Finding
from qianda.verify.pdf import issuers
from qianda.verify.purpose import serves_signing
from qianda.verify.trust import Trust

_OF_THE_SIGNATURE = {
    AdESFailure.FORMAT_FAILURE,
    AdESFailure.HASH_FAILURE,
    AdESFailure.SIG_CRYPTO_FAILURE,
    AdESIndeterminate.SIG_CONSTRAINTS_FAILURE,
    AdESIndeterminate.CRYPTO_CONSTRAINTS_FAILURE,
    AdESIndeterminate.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
    AdESIndeterminate.SIGNED_DATA_NOT_FOUND,
}


def full_check(pdf: bytes, fields: Collection[str], trust: Trust, now: datetime) -> list[Finding]:
    """Return the faults that pyHanko finds in these fields' signatures; a signature that it does not find is a fault.

    Runs an event loop: call it where none is running.
    """
    return asyncio.run(_full_check(pdf, fields, trust, ValidationTimingInfo(now, now, point_in_time_validation=False)))


async def _full_check(pdf: bytes, fields: Collection[str], trust: Trust, timing: ValidationTimingInfo) -> list[Finding]:
    issuers.patch_pyhanko()
    spec = _offline_spec(trust)
    try:
        signatures = PdfFileReader(io.BytesIO(pdf), strict=True).embedded_regular_signatures
    except Exception as error:  # pyHanko raises many kinds, see `_check_one`
        return [Finding(Element.SIGNATURE, reasons.ADES_SIGNATURE.about(what=type(error).__name__))]
    if sorted(str(signature.field_name) for signature in signatures) != sorted(fields):  # it passes over unusual ones
        return [Finding(Element.SIGNATURE, reasons.ADES_SIGNATURE.about(what="not all signatures were found"))]
    return [finding for signature in signatures for finding in await _check_one(signature, spec, timing)]


async def _check_one(
    signature: EmbeddedPdfSignature, spec: PdfSignatureValidationSpec, timing: ValidationTimingInfo
) -> list[Finding]:
    name = str(signature.field_name)
    try:
        signature.compute_integrity_info()
        result = await ades_lta_validation(signature, spec, timing)
    except Exception as error:  # pyHanko raises many kinds on malformed input; each means that it does not accept
        return [Finding(Element.SIGNATURE, reasons.ADES_SIGNATURE.about(what=type(error).__name__), name)]
    return list(_findings(name, result))


def _findings(name: str, result: AdESLTAValidationResult) -> Iterator[Finding]:
    if result.ades_subindic != AdESPassed.OK:
        what = str(result.ades_subindic).rpartition(".")[2]
        if result.ades_subindic in _OF_THE_SIGNATURE:
            yield Finding(Element.SIGNATURE, reasons.ADES_SIGNATURE.about(what=what), name)
        else:
            yield Finding(Element.OWNED, reasons.CHAIN_WRONG.about(what=what), name)
    elif result.api_status is None or not result.api_status.docmdp_ok:
        yield Finding(Element.TEXT, reasons.CHANGED_AFTER, name)
    elif not _leads_through_signing(result.api_status.validation_path):
        yield Finding(Element.OWNED, reasons.AUTHORITY_NOT_FOR_SIGNING, name)
    stamp = result.signature_timestamp_status
    if result.ades_subindic == AdESPassed.OK and (stamp is None or stamp.ades_subindic != AdESPassed.OK):
        yield Finding(Element.TIME, reasons.TIME_UNTRUSTED, name)


def _leads_through_signing(path: ValidationPath | None) -> bool:
    """Return whether the authorities below the trusted one issue certificates for signing, which pyHanko does not
    check."""
    return path is not None and all(map(serves_signing, path.iter_certs(include_root=False)))


def _offline_spec(trust: Trust) -> PdfSignatureValidationSpec:
    nothing_online = RevocationInfoGatheringSpec(
        online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
        certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
    )
    every_certificate = RevocationCheckingPolicy.from_legacy("require")
    none = RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=_policy(trust.authorities, every_certificate),
            ts_cert_validation_policy=_policy(trust.timestamp_authorities, none),
            revinfo_gathering_policy=nothing_online,
        )
    )


def _policy(anchors: Sequence[x509.Certificate], revocation: RevocationCheckingPolicy) -> CertValidationPolicySpec:
    return CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(list(anchors)), revinfo_policy=CertRevTrustPolicy(revocation)
    )
