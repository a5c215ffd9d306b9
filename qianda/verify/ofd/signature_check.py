"""Check one signature of an OFD: its value, its seal, its certificate and its time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import x509

from qianda import sm2
from qianda.ofd import NotAnOfd
from qianda.ofd.container import OfdContainer
from qianda.ofd.moments import read_moment
from qianda.ofd.signature_parts import SEAL, DocumentParts, SignaturePart
from qianda.ofd.stamps import are_small
from qianda.ofd.values import ElectronicSeal, SignatureValue, read_seal, read_value
from qianda.trust_marks import SEAL_MAKER_POLICY_OID
from qianda.verify import reasons as shared
from qianda.verify.cms_check import BadCmsSignature, CheckedTimestamp, check_timestamp
from qianda.verify.findings import Element, Finding, Reason
from qianda.verify.ofd import reasons
from qianda.verify.ofd.chain import chain_fault, load_certificate
from qianda.verify.ofd.coverage import coverage_faults
from qianda.verify.trust import Trust, has_policy

# The description of a signature is written before its value, and some programs mix time zones.
MAX_DIFFERENCE = timedelta(days=1)


@dataclass(frozen=True)
class CheckedOfdSignature:
    """A signature with its findings. `value`, `certificate` and `stamp` are None if they are unreadable or missing.
    `moment`: by the timestamp, otherwise by the signer's clock."""

    part: SignaturePart
    value: SignatureValue | None
    certificate: x509.Certificate | None
    stamp: CheckedTimestamp | None
    moment: datetime | None
    findings: tuple[Finding, ...]

    @property
    def is_seal(self) -> bool:
        return self.part.kind == SEAL or (self.value is not None and self.value.seal is not None)


def check_signature(
    container: OfdContainer, document: DocumentParts, part: SignaturePart, trust: Trust, now: datetime | None = None
) -> CheckedOfdSignature:
    """Check one signature in full. `now`: the time of the check; by default that of this machine. Raises NoSm2, and
    NotAnOfd for a damaged container.
    """
    try:
        value = read_value(container.read(part.value), part.value)
    except NotAnOfd as error:
        unreadable = Finding(Element.SIGNATURE, reasons.VALUE_UNREADABLE.about(what=error.what), part.number)
        return CheckedOfdSignature(part, None, None, None, read_moment(part.moment), (unreadable,))
    certificate = load_certificate(value.certificate)
    stamp, time_fault = _check_stamp(value, trust)
    moment = stamp.time if stamp else value.moment or read_moment(part.moment)
    faults: list[tuple[Element, Reason]] = [(Element.TIME, time_fault)] if time_fault else []
    faults += [(Element.TEXT, fault) for fault in coverage_faults(container, document, part)]
    faults += [] if are_small(part.stamps) else [(Element.TEXT, reasons.STAMP_TOO_LARGE)]
    faults += [(Element.SIGNATURE, fault) for fault in _value_faults(container, part, value, certificate)]
    faults += [(Element.TIME, fault) for fault in _time_faults(part, value)]
    latest = (now or datetime.now(UTC)) + MAX_DIFFERENCE
    faults += [(Element.TIME, reasons.TIME_AHEAD)] if moment and moment > latest else []
    faults += [(Element.OWNED, fault) for fault in _owner_faults(value, certificate, trust, moment)]
    findings = tuple(Finding(element, reason, part.number) for element, reason in faults)
    return CheckedOfdSignature(part, value, certificate, stamp, moment, findings)


def _value_faults(
    container: OfdContainer, part: SignaturePart, value: SignatureValue, certificate: x509.Certificate | None
) -> Iterator[Reason]:
    """Yield the faults of the signature itself: kind, hash, value, and the seal in it."""
    if part.kind and (part.kind == SEAL) != (value.seal is not None):
        yield reasons.KIND_WRONG
    if value.data_hash != container.sm3(part.member):
        yield reasons.INFO_ALTERED
    if value.algorithm != sm2.SIGNATURE_OID:
        yield shared.ALGORITHM_UNKNOWN
    elif certificate is None or not sm2.verify(certificate.public_key.dump(), value.signed, value.signature):
        yield shared.VALUE_WRONG
    if value.seal is None:
        if part.seal:  # no signature covers this member
            yield reasons.SEAL_FILE
        return
    if part.seal and read_seal(container.read(part.seal), part.seal).encoded != value.seal.encoded:
        yield reasons.SEAL_FILE
    if not made_by(value.seal):
        yield reasons.SEAL_FORGED


def made_by(seal: ElectronicSeal) -> bool:
    """Return whether the seal was signed by its maker."""
    maker = load_certificate(seal.maker)
    if maker is None or seal.algorithm != sm2.SIGNATURE_OID:
        return False
    spki = maker.public_key.dump()
    return any(sm2.verify(spki, signed, seal.signature) for signed in seal.signed)


def _owner_faults(
    value: SignatureValue, certificate: x509.Certificate | None, trust: Trust, moment: datetime | None
) -> Iterator[Reason]:
    """Yield the faults of the signer: the certificate, its chain, and whether it may use the seal."""
    if certificate is None:
        yield reasons.CERTIFICATE_UNREADABLE
        return
    if value.seal is not None and not _may_use(value.seal, certificate):
        yield reasons.NOT_IN_SEAL
    if moment is None:
        yield reasons.TRUST_MISSING_TIME
        return
    start, end = certificate.not_valid_before, certificate.not_valid_after
    if not start <= moment <= end:
        yield shared.CERTIFICATE_EXPIRED.about(time=_said(moment), start=_said(start), end=_said(end))
    if value.seal is not None:
        yield from _seal_faults(value.seal, trust, moment)
    elif trust.is_seal(certificate) or has_policy(certificate, SEAL_MAKER_POLICY_OID):
        yield shared.SEAL_FOR_PERSON
    others = [one for encoded in value.others if (one := load_certificate(encoded)) is not None]
    if trust.authorities and (fault := chain_fault(certificate, others, trust, moment)):
        yield Reason(*(sentence.format(what=what) for sentence, what in _pairs(shared.CHAIN_WRONG, fault)))


def _may_use(seal: ElectronicSeal, certificate: x509.Certificate) -> bool:
    encoded = certificate.dump()
    return encoded in seal.listed or sm2.sm3(encoded) in seal.listed_hashes


def _seal_faults(seal: ElectronicSeal, trust: Trust, moment: datetime) -> Iterator[Reason]:
    """Yield the faults of the seal's validity and its maker. Without a known maker, anybody with a certificate could
    make "the organisation's" seal."""
    too_early = moment < seal.valid_from or seal.created - moment > MAX_DIFFERENCE  # it was not made yet
    if too_early or moment > seal.valid_until:
        start = max(seal.valid_from, seal.created)
        yield reasons.SEAL_EXPIRED.about(time=_said(moment), start=_said(start), end=_said(seal.valid_until))
    maker = load_certificate(seal.maker)
    if maker is None:
        yield reasons.CERTIFICATE_UNREADABLE
        return
    if not has_policy(maker, SEAL_MAKER_POLICY_OID) and not trust.pins_seal(maker):
        yield reasons.MAKER_UNKNOWN
    # The maker's certificate has to be valid at the time when the seal was made.
    if not maker.not_valid_before <= seal.created <= maker.not_valid_after:
        yield Reason(
            *(sentence.format(what=what) for sentence, what in _pairs(reasons.MAKER_CHAIN, reasons.MAKER_LIFE))
        )
    if trust.authorities and (fault := chain_fault(maker, (), trust, seal.created)):
        yield Reason(*(sentence.format(what=what) for sentence, what in _pairs(reasons.MAKER_CHAIN, fault)))


def _check_stamp(value: SignatureValue, trust: Trust) -> tuple[CheckedTimestamp | None, Reason | None]:
    """Return the timestamp over the signature, if there is one, and its fault."""
    if value.timestamp is None:
        return None, None
    try:
        stamp = check_timestamp(value.timestamp, lambda name: hashlib.new(name, value.signature).digest())
    except BadCmsSignature as error:
        return None, error.reason
    if not trust.pins(stamp.encoded_certificate) or not stamp.was_alive:
        return None, shared.TIME_UNTRUSTED
    return stamp, None


def _time_faults(part: SignaturePart, value: SignatureValue) -> Iterator[Reason]:
    described = read_moment(part.moment)
    if described and value.moment and abs(described - value.moment) > MAX_DIFFERENCE:
        yield reasons.TIMES_DIFFER


def _pairs(frame: Reason, what: Reason) -> tuple[tuple[str, str], tuple[str, str]]:
    return (frame.zh, what.zh), (frame.en, what.en)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
