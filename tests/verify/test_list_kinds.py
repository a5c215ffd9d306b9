"""Kinds of revocation lists (RFC 5280, 5): which show that a certificate was not revoked, and which say that it was.
All are by the authority's own key; whoever writes the file chooses among them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from asn1crypto import crl
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hub.authorities import profile
from qianda import verify
from qianda.evidence.reasons import BadPackage
from qianda.evidence.signer import _check_chain
from qianda.verify import verify_bytes
from qianda.verify.elements import VerificationReport
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import examine
from qianda.verify.trust import Trust
from tests.signing_parts import ORGANISATION, Pki, utc_now
from tests.verify.reading import complaints, failed
from tests.verify.test_plain_chain import SIGNER, Forge, certificate_for, deep_pki
from tests.verify.test_purpose import LEAF, SIGNING

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
REASONS = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
SOME = frozenset({x509.ReasonFlags.superseded})
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
ELSEWHERE = [x509.UniformResourceIdentifier("http://elsewhere")]
NOBODY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
Listing = Callable[["Lists"], list[bytes]]


@dataclass(frozen=True)
class Lists:
    """Make lists of this authority, which may name the certificate with this number."""

    pki: Pki
    serial: int

    def made(
        self,
        *parts: tuple[x509.ExtensionType, bool],
        entries: Sequence[x509.RevokedCertificate] = (),
        hours: int = 100,
        old: int = 1,
    ) -> bytes:
        """Return a list. `parts`: its extensions, and whether each is critical. `hours`: how long it counts; `old`: how
        many hours ago it was made."""
        authority, now = self.pki.authority, utc_now()
        name = x509.load_der_x509_certificate(authority.root).subject
        made = x509.CertificateRevocationListBuilder(name, now - old * HOUR, now + hours * HOUR, [], list(entries))
        for part, critical in parts:
            made = made.add_extension(part, critical)
        key: Any = authority._key
        return made.sign(key._private_key, SHA256()).public_bytes(Encoding.DER)

    def entry(
        self, *parts: tuple[x509.ExtensionType, bool], later: timedelta = -5 * MINUTE, other: int = 0
    ) -> list[x509.RevokedCertificate]:
        """Return an entry. `later`: when it was revoked; `other`: how far its number is from the signer's."""
        made = x509.RevokedCertificateBuilder(self.serial + other, utc_now() + later)
        for part, critical in parts:
            made = made.add_extension(part, critical)
        return [made.build()]


def part(**given: object) -> tuple[x509.ExtensionType, bool]:
    """Return which certificates a list is about."""
    usual: dict[str, Any] = {"full_name": None, "relative_name": None, "only_some_reasons": None}
    usual |= dict.fromkeys(("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl"), False)
    return x509.IssuingDistributionPoint(**usual | {"only_contains_attribute_certs": False} | given), True


def reason(flag: x509.ReasonFlags) -> tuple[x509.ExtensionType, bool]:
    return x509.CRLReason(flag), False


def known_since(hours: int) -> tuple[x509.ExtensionType, bool]:
    return x509.InvalidityDate(utc_now().replace(tzinfo=None) + hours * HOUR), False


DELTA = (x509.DeltaCRLIndicator(1), True)
HAS_DELTAS = (x509.FreshestCRL([x509.DistributionPoint(ELSEWHERE, None, None, None)]), False)
OF_NOBODY = (x509.CertificateIssuer([x509.DirectoryName(NOBODY)]), True)
FULL: dict[str, Listing] = {
    "as usual": lambda lists: [lists.made()],
    "all reasons": lambda lists: [lists.made(part(only_some_reasons=REASONS))],
    "reasons in two halves": lambda lists: [
        lists.made(part(only_some_reasons=SOME)),
        lists.made(part(only_some_reasons=REASONS - SOME)),
    ],
    "of holders": lambda lists: [lists.made(part(only_contains_user_certs=True))],
    "that may be about others": lambda lists: [lists.made(part(indirect_crl=True))],
    "with the same number of another authority": lambda lists: [
        lists.made(part(indirect_crl=True), entries=lists.entry(OF_NOBODY))
    ],
    "that says where its deltas are": lambda lists: [lists.made(HAS_DELTAS)],
    "with a delta": lambda lists: [lists.made(HAS_DELTAS), lists.made(DELTA)],
    "with a part that is not critical": lambda lists: [lists.made((UNKNOWN, False))],
    "of another revoked": lambda lists: [lists.made(entries=lists.entry(other=1))],
    "of one revoked after it signed": lambda lists: [lists.made(entries=lists.entry(known_since(1), later=2 * HOUR))],
}
NOT_FULL: dict[str, Listing] = {
    "delta alone": lambda lists: [lists.made(DELTA)],
    "some reasons": lambda lists: [lists.made(part(only_some_reasons=SOME))],
    "of authorities": lambda lists: [lists.made(part(only_contains_ca_certs=True))],
    "of attributes": lambda lists: [lists.made(part(only_contains_attribute_certs=True))],
    "of another place": lambda lists: [lists.made(part(full_name=ELSEWHERE))],
    "critical part": lambda lists: [lists.made((UNKNOWN, True))],
    "critical part of another's entry": lambda lists: [lists.made(entries=lists.entry((UNKNOWN, True), other=1))],
}
REVOKED: dict[str, Listing] = {
    "for no stated reason": lambda lists: [lists.made(entries=lists.entry())],
    "on hold": lambda lists: [lists.made(entries=lists.entry(reason(x509.ReasonFlags.certificate_hold)))],
    "in a delta": lambda lists: [lists.made(HAS_DELTAS), lists.made(DELTA, entries=lists.entry())],
    "in a delta that is not mentioned": lambda lists: [lists.made(), lists.made(DELTA, entries=lists.entry())],
    "in a delta that ends first": lambda lists: [lists.made(), lists.made(DELTA, entries=lists.entry(), hours=10)],
    "though a delta takes it back": lambda lists: [
        lists.made(HAS_DELTAS, entries=lists.entry()),
        lists.made(DELTA, entries=lists.entry(reason(x509.ReasonFlags.remove_from_crl))),
    ],
    "though the full list takes it back": lambda lists: [
        lists.made(entries=lists.entry(reason(x509.ReasonFlags.remove_from_crl)))
    ],
    "in the second of two entries": lambda lists: [
        lists.made(entries=lists.entry(later=2 * HOUR) + lists.entry(later=-HOUR))
    ],
    "with a critical part": lambda lists: [lists.made(), lists.made(entries=lists.entry((UNKNOWN, True)))],
    "afterwards, when the key was known to be stolen": lambda lists: [
        lists.made(entries=lists.entry(known_since(-2), later=2 * HOUR))
    ],
}


async def contract(folder: Path, listing: Listing, *, states_lists: bool = True) -> tuple[bytes, Trust, list[bytes]]:
    """Return a file, whom to trust, and its lists. `states_lists`: the signer's certificate says where lists are."""
    pki = await deep_pki()
    forge, above = Forge(pki), pki.authority
    if states_lists:
        leaf = (await above.enrol(forge.key.spki, "王小明", "P1")).chain[0]
    else:
        name, issuer = profile.name(ORGANISATION, "王小明"), (above._key, above._root.subject)
        leaf = await certificate_for(forge.key, issuer, name, [LEAF, ("key_usage", True, SIGNING)])
    lists = listing(Lists(pki, x509.load_der_x509_certificate(leaf).serial_number))
    file = await forge.close((leaf, above.root), lists)
    return file, Trust.load([pki.write_trust(folder / "trust.pem")]), lists


@pytest.fixture(params=[0, 20])
def judged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VerificationReport]:
    """Check a file at once, and when all its lists have ended."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=request.param)

    def report(file: bytes, trust: Trust) -> VerificationReport:
        with monkeypatch.context() as patched:
            patched.setattr(verify, "datetime", Later)
            return verify_bytes(file, trust)

    return report


@pytest.mark.parametrize("kind", FULL)
def test_a_full_list(tmp_path: Path, judged: Callable[..., VerificationReport], kind: str) -> None:
    file, trust, _ = asyncio.run(contract(tmp_path, FULL[kind]))
    report = judged(file, trust)
    assert failed(report) == set(), complaints(report)


@pytest.mark.parametrize("kind", [*NOT_FULL, *REVOKED])
def test_a_list_that_does_not_speak_for_the_certificate(
    tmp_path: Path, judged: Callable[..., VerificationReport], kind: str
) -> None:
    file, trust, _ = asyncio.run(contract(tmp_path, (NOT_FULL | REVOKED)[kind]))
    report = judged(file, trust)
    assert failed(report) == {Element.OWNED}, complaints(report)


@pytest.mark.parametrize(
    ("kind", "hours"),
    [("as usual", 1), ("of holders", 1), ("of its place", 1)]
    + [(kind, 3) for kind in NOT_FULL if not kind.startswith("critical")],
)
def test_only_a_full_list_is_said_to_be_the_newest(tmp_path: Path, kind: str, hours: int) -> None:
    def listing(lists: Lists) -> list[bytes]:
        place = [x509.UniformResourceIdentifier(lists.pki.authority._addresses.revocation_list)]
        own = {"of its place": lambda lists: [lists.made(part(full_name=place))]}
        return [lists.made(old=3), *(own | FULL | NOT_FULL)[kind](lists)]

    file, trust, _ = asyncio.run(contract(tmp_path, listing))
    report = verify_bytes(file, trust)
    found = next(party.listed_until for party in report.parties if party.field == SIGNER)
    assert failed(report) == set() and found is not None
    assert timedelta() <= utc_now() - found - hours * HOUR < MINUTE


@pytest.mark.parametrize(("kind", "counts"), [("as usual", True), ("for no stated reason", False), ("none", False)])
def test_a_certificate_that_does_not_say_where_lists_are(
    tmp_path: Path, judged: Callable[..., VerificationReport], kind: str, counts: bool
) -> None:
    """RFC 5280, 6.1.3 (a)(3): it is valid if it is not revoked, wherever that is said."""
    listing = (FULL | REVOKED | {"none": lambda lists: []})[kind]
    file, trust, _ = asyncio.run(contract(tmp_path, listing, states_lists=False))
    report = judged(file, trust)
    assert (failed(report) == set()) == counts, complaints(report)


@pytest.mark.parametrize(("kind", "counts"), [("as usual", True), ("for no stated reason", False), ("none", False)])
def test_a_package_by_a_certificate_that_does_not_say_where_lists_are(tmp_path: Path, kind: str, counts: bool) -> None:
    listing = (FULL | REVOKED | {"none": lambda lists: []})[kind]
    file, trust, lists = asyncio.run(contract(tmp_path, listing, states_lists=False))
    read = [crl.CertificateList.load(one) for one in lists]
    check = _check_chain(examine(file).signatures[SIGNER], read, trust, utc_now())
    if counts:
        asyncio.run(check)
    else:
        with pytest.raises(BadPackage, match="is not trusted"):
            asyncio.run(check)
