"""Check the path from a certificate in an OFD to a trusted authority: names, validity, purposes and SM2 signatures.

An OFD contains nothing about revocation, so it is not checked (the answer says so). Source: RFC 5280, 6; GB/T 20518.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from asn1crypto import x509

from qianda import sm2
from qianda.verify.elements import part_of
from qianda.verify.findings import Reason
from qianda.verify.ofd import reasons
from qianda.verify.purpose import is_for_signing, serves_signing
from qianda.verify.trust import Trust
from qianda.verify.whole_certificate import check_certificate

MAX_CHAIN_LENGTH = 8
# The certificates of authorities, at the same distance from the signer, above which authorities are looked for.
MAX_CROSSED = 4
# The critical extensions that this check understands. A certificate with any other must be refused (RFC 5280 4.2).
UNDERSTOOD = {"basic_constraints", "key_usage", "extended_key_usage", "certificate_policies"}
KEPT_CERTIFICATES = 64


@lru_cache(KEPT_CERTIFICATES)  # one file repeats the same certificates, and parsing one takes a millisecond
def load_certificate(encoded: bytes) -> x509.Certificate | None:
    """Return the certificate; None if any part of it cannot be read, or would be costly to read."""
    try:
        certificate = x509.Certificate.load(encoded, strict=True)
        check_certificate(certificate)
    except (ValueError, TypeError):
        return None
    return certificate


def chain_fault(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, moment: datetime
) -> Reason | None:
    """Return why no path leads from the certificate to a trusted authority; None if there is one."""
    if not is_for_signing(certificate):
        return reasons.PURPOSE_WRONG
    anchors = {one.dump() for one in trust.authorities}
    faults: list[Reason] = []
    reached, seen = [certificate], {certificate.dump()}
    for below in range(MAX_CHAIN_LENGTH):
        above: dict[bytes, x509.Certificate] = {}
        for current in reached[:MAX_CROSSED]:
            issuers = _issuers_of(current, (*trust.authorities, *others), moment, below)
            if isinstance(issuers, Reason):
                faults.append(issuers)
            else:
                above |= {one.dump(): one for one in issuers}
        if not anchors.isdisjoint(above):
            return None
        reached = [one for encoded, one in above.items() if encoded not in seen]
        seen |= above.keys()
    return faults[0] if faults else _no_issuer(certificate)


def _issuers_of(
    certificate: x509.Certificate, known: Sequence[x509.Certificate], moment: datetime, below: int
) -> list[x509.Certificate] | Reason:
    """Return the certificates of the authority that issued this one, which may be several: it was renewed, or other
    authorities certified it, too. `below`: how many authorities stand below them."""
    if not certificate.critical_extensions <= UNDERSTOOD:
        return reasons.DEMANDS_MORE.about(subject=part_of(certificate.subject, "common_name"))
    if not serves_signing(certificate):
        return reasons.PURPOSE_WRONG
    named = [one for one in known if may_have_issued(one, certificate)]
    if not named:
        return _no_issuer(certificate)
    signing = [one for one in named if signed_by(certificate, one)]
    if not signing:
        return reasons.ISSUER_WRONG.about(issuer=part_of(certificate.issuer, "common_name"))
    alive = [one for one in signing if one.not_valid_before <= moment <= one.not_valid_after]
    if not alive:
        return reasons.ISSUER_LIFE.about(issuer=part_of(certificate.issuer, "common_name"))
    allowed = [one for one in alive if one.max_path_length is None or one.max_path_length >= below]
    return allowed or reasons.PATH_TOO_LONG.about(issuer=part_of(certificate.issuer, "common_name"))


def _no_issuer(certificate: x509.Certificate) -> Reason:
    return reasons.NO_ISSUER.about(issuer=part_of(certificate.issuer, "common_name"))


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether the certificate was signed by the issuer's key, with SM2."""
    algorithms = certificate["signature_algorithm"], certificate["tbs_certificate"]["signature"]
    if any(one["algorithm"].dotted != sm2.SIGNATURE_OID for one in algorithms):
        return False
    body, value = certificate["tbs_certificate"].dump(), certificate["signature_value"].contents
    # The first byte of the value is the number of unused bits, which must be 0.
    return value[:1] == b"\0" and sm2.verify(issuer.public_key.dump(), body, value[1:])


def may_have_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether the certificate names this issuer, and the issuer may issue certificates."""
    usage = issuer.key_usage_value
    may_issue = issuer.ca and (usage is None or "key_cert_sign" in usage.native)
    return bool(may_issue and issuer.subject.dump() == certificate.issuer.dump())
