"""pyHanko's own long-term validation of a finished contract, offline. Run it under faketime to see later years.

    python validate_offline.py FILE TRUST_PEM FIELD…

Without arguments it reads them from its input, a JSON list in each line, and answers each with a line of JSON: loading
pyHanko takes longer than judging a file.

Prints one line for each signature, and exits 0 if all are accepted. The timestamp authority is pinned by a policy of
its own, without a revocation check: with one policy for everything the file fails as soon as its last CRL is stale.
Source: ETSI EN 319 102-1, 5.6.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from asn1crypto import x509
from pyhanko.keys import load_certs_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
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

NO_CHECK = RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)


def offline_spec(roots: Sequence[x509.Certificate], pinned: x509.Certificate) -> PdfSignatureValidationSpec:
    nothing_online = RevocationInfoGatheringSpec(
        online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
        certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
    )
    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=_policy(roots, RevocationCheckingPolicy.from_legacy("hard-fail")),
            ts_cert_validation_policy=_policy([pinned], NO_CHECK),
            revinfo_gathering_policy=nothing_online,
        )
    )


def _policy(anchors: Sequence[x509.Certificate], revocation: RevocationCheckingPolicy) -> CertValidationPolicySpec:
    return CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(anchors), revinfo_policy=CertRevTrustPolicy(revocation)
    )


def stamps(certificate: x509.Certificate) -> bool:
    usage = certificate.extended_key_usage_value
    return usage is not None and "time_stamping" in usage.native


async def verdict(signature: EmbeddedPdfSignature, spec: PdfSignatureValidationSpec) -> str:
    result = await ades_lta_validation(signature, spec)
    if result.ades_subindic != AdESPassed.OK:
        return str(result.ades_subindic)
    if result.signature_timestamp_status is None:
        return "no timestamp"
    if result.api_status is None or not result.api_status.docmdp_ok:
        return "changed after this signature"
    return "accepted"


async def main(file: Path, trust: Path, expected: list[str]) -> bool:
    *others, pinned = sorted(load_certs_from_pemder([str(trust)]), key=stamps)
    spec = offline_spec([one for one in others if one.ca], pinned)
    with file.open("rb") as stream:
        reader = PdfFileReader(stream)
        signatures = reader.embedded_regular_signatures
        names = [signature.field_name for signature in signatures]
        verdicts = [await verdict(signature, spec) for signature in signatures]
        timestamps = reader.embedded_timestamp_signatures
    print(*(f"{name}: {said}" for name, said in zip(names, verdicts, strict=True)), sep="\n")
    return names == expected and set(verdicts) == {"accepted"} and len(timestamps) == 1


def answer(file: str, trust: str, *expected: str) -> tuple[bool, str]:
    """Return whether all signatures of a file are accepted, and what there is to say."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            accepted = asyncio.run(main(Path(file), Path(trust), list(expected)))
        except Exception:
            traceback.print_exc(file=said)
            accepted = False
    return accepted, said.getvalue()


if __name__ == "__main__":
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
    logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
    if not sys.argv[1:]:
        for line in sys.stdin:
            print(json.dumps(answer(*json.loads(line))), flush=True)
        sys.exit()
    sys.exit(0 if asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])) else 1)
