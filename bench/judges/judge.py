"""Check whether a finished file is valid, with pyHanko's long-term validation alone, not with `qianda.verify`."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule
from pyhanko_certvalidator.registry import SimpleTrustManager

from bench.pieces.school import BenchSchool
from qianda.verify.trust import Trust


class FileNotValid(Exception):
    """A finished file is not valid, so the figures of the bench mean nothing."""


async def check_by_pyhanko(file: bytes, spec: PdfSignatureValidationSpec, fields: list[str]) -> None:
    """Raise FileNotValid unless exactly these fields are signed, with long-term validity."""
    signatures = PdfFileReader(io.BytesIO(file)).embedded_regular_signatures
    if [signature.field_name for signature in signatures] != fields:
        raise FileNotValid("other fields are signed")
    for signature in signatures:
        result = await ades_lta_validation(signature, spec)
        if result.ades_subindic != AdESPassed.OK:
            raise FileNotValid(f"{signature.field_name}: {result.ades_subindic}")


def trust_in(school: BenchSchool) -> Trust:
    """Return the trust anchors of `offline_spec` in the form that `qianda.verify` takes."""
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"{number}.der" for number in range(len(school.certificates))]
        for path, certificate in zip(paths, school.certificates, strict=True):
            path.write_bytes(certificate)
        return Trust.load(paths)


def offline_spec(school: BenchSchool) -> PdfSignatureValidationSpec:
    """Return pyHanko's settings: the authority with its CRLs, the timestamp authority pinned. They mean the same as
    those of our own check, but are written independently of it."""
    root, pinned = (x509.Certificate.load(der) for der in school.certificates)
    none = RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
    nothing_online = RevocationInfoGatheringSpec(
        online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
        certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
    )
    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=_policy(root, RevocationCheckingPolicy.from_legacy("hard-fail")),
            ts_cert_validation_policy=_policy(pinned, none),
            revinfo_gathering_policy=nothing_online,
        )
    )


def _policy(anchor: x509.Certificate, revocation: RevocationCheckingPolicy) -> CertValidationPolicySpec:
    return CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build([anchor]), revinfo_policy=CertRevTrustPolicy(revocation)
    )
