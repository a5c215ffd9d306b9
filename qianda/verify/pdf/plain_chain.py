"""Recognise the usual case of long-term validity with our own readers, many times as fast as pyHanko.

The answer is "yes" or "not sure", never "no": anything unusual, expired, revoked or wrong is left to
`qianda.verify.pdf.ades`, which then decides and gives the reason. Only files that pyHanko accepts get a "yes". The file
must be one in which `examine` found nothing: the form, the changes from revision to revision, digests and signature
values are right, and a document timestamp covers every byte. Sources: RFC 5280 6 (paths and lists), RFC 5035 (the named
certificate), ETSI EN 319 102-1 5.6.2 (validation in the past goes back to the last moment of the revocation list).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise

from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from qianda.certificate_facts import is_authority
from qianda.certificate_loading import load_certificate, load_revocation_list
from qianda.pdf import Stream
from qianda.verify.cms_check import CheckedCms, CheckedTimestamp, accepted_key
from qianda.verify.pdf.list_entries import CRITICAL
from qianda.verify.pdf.revocation_lists import streams_of
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.structure import Structure
from qianda.verify.trust import Trust

# The most certificates from a signer's own up to a trusted authority.
MAX_LENGTH = 4
_HASHES = ("sha256", "sha384", "sha512")
_ATTRIBUTES = {"content_type", "message_digest", "signing_certificate_v2"}
# Extensions that the certificates of a path may have. Any other extension, including those that limit names or
# policies, is left to the full check.
_KNOWN = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
}
_KNOWN_OF_A_LIST = {ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.CRL_NUMBER}


class UnusualChain(Exception):
    """The file needs the full check; the message says why."""


def is_plainly_valid(structure: Structure, trust: Trust, now: datetime) -> bool:
    """Return whether all signatures certainly lead to trusted authorities and were not revoked. False: not sure.

    `structure` and `trust` must have yielded no finding.
    """
    try:
        _check(structure, trust, now)
    except Exception:  # "not sure" is always safe, and libraries raise many kinds (ExtensionNotFound, …)
        return False
    return True


def _check(structure: Structure, trust: Trust, now: datetime) -> None:
    closed = structure.archived_at
    if closed is None or closed > now or any(stamp.time > closed for stamp in structure.times.values()):
        raise UnusualChain("no document timestamp closes the file")
    if {signature.name for signature in structure.file.signatures} != structure.times.keys():
        raise UnusualChain("something has no timestamp")
    for stamp in structure.times.values():
        _check_stamp(stamp, trust, now)
    anchors = [load_certificate(one.dump()) for one in trust.authorities]
    lists = _Lists(structure.file, closed)
    for name, checked in structure.signatures.items():
        _check_attributes(checked)
        path = list(_path(checked, anchors))
        _check_path(path)
        _check_time(path, lists, (structure.times[name].time, closed, now))


def _check_stamp(stamp: CheckedTimestamp, trust: Trust, now: datetime) -> None:
    certificate = load_certificate(stamp.encoded_certificate)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise UnusualChain("a timestamp certificate of another kind")
    if not trust.pins(stamp.encoded_certificate) or not _is_valid(certificate, now):
        raise UnusualChain("a timestamp service that is not trusted, or whose certificate has ended")


def _check_attributes(checked: CheckedCms) -> None:
    """Check that the signature has exactly the three usual attributes, which fully name its certificate."""
    attributes = {one["type"].native: one["values"] for one in checked.signer_info["signed_attrs"]}
    if attributes.keys() != _ATTRIBUTES:
        raise UnusualChain("other signed attributes")
    named = attributes["signing_certificate_v2"][0]["certs"]
    serial = named[0]["issuer_serial"]
    if len(named) != 1 or (serial.native is not None and not _is_issuer(serial, checked)):
        raise UnusualChain("another certificate is named")
    algorithm, digest = checked.signer_info["signature_algorithm"], checked.signer_info["digest_algorithm"]
    if algorithm.hash_algo != digest["algorithm"].native:
        raise UnusualChain("two kinds of hash")


def _is_issuer(serial: cms.IssuerAndSerialNumber, checked: CheckedCms) -> bool:
    names = list(serial["issuer"])
    return (
        len(names) == 1
        and names[0].chosen.untag().dump() == checked.certificate.issuer.dump()
        and serial["serial_number"].native == checked.certificate.serial_number
    )


def _path(checked: CheckedCms, anchors: Iterable[x509.Certificate]) -> Iterator[x509.Certificate]:
    """Yield the signer's certificate and those above it, up to a trusted authority. Each signature is verified."""
    others = [load_certificate(one.dump()) for one in checked.certificates]
    current = load_certificate(checked.encoded_certificate)
    for _ in range(MAX_LENGTH):
        yield current
        for place in (anchors, others):
            if above := [one for one in place if one.subject == current.issuer]:
                break
        if len(above) != 1:
            raise UnusualChain("no authority, or several of one name")
        current.verify_directly_issued_by(above[0])
        if above[0] in anchors:
            yield above[0]
            return
        current = above[0]
    raise UnusualChain("a long path")


def _check_path(path: list[x509.Certificate]) -> None:
    """Check the extensions and algorithms of a path, from the signer's certificate up."""
    for certificate in path:
        accepted_key(certificate)
        if certificate.version is not x509.Version.v3 or any(each.oid not in _KNOWN for each in certificate.extensions):
            raise UnusualChain("an extension that is not known here")
    for certificate in path[:-1]:  # the self-signature of a trusted authority does not matter
        if (used := certificate.signature_hash_algorithm) is None or used.name not in _HASHES:
            raise UnusualChain("an unusual signature in the path")
    usage = path[0].extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.content_commitment or is_authority(path[0]):
        raise UnusualChain("a certificate that is not for signing documents")
    if any(each.oid == ExtensionOID.EXTENDED_KEY_USAGE for authority in path[1:-1] for each in authority.extensions):
        raise UnusualChain("an authority for certain purposes")
    for below, authority in enumerate(path[1:]):
        usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
        length = authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        if not (is_authority(authority) and usage.key_cert_sign and usage.crl_sign) or (
            length is not None and length < below
        ):
            raise UnusualChain("an authority that may not issue this")


def _check_time(path: list[x509.Certificate], lists: _Lists, times: tuple[datetime, datetime, datetime]) -> None:
    """Check that every certificate was valid and not revoked at the moment of validation, which may be in the past.

    `times`: when it was signed, when the file was closed, and now. The moment is now or, if a revocation list has
    expired, its last moment. It must be after the file was closed, which proves that everything existed by then.
    """
    signed, closed, moment = times
    for certificate, authority in pairwise(path):
        moment = min(moment, lists.last_moment(certificate, authority))
    if not signed <= closed <= moment:
        raise UnusualChain("the revocation lists ended before the file was closed")
    if not all(_is_valid(one, signed) and _is_valid(one, moment) for one in path):
        raise UnusualChain("a certificate that was not valid")


def _is_valid(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


class _Lists:
    """The revocation lists in the file. All of an authority must be valid, and none may contain the certificate."""

    def __init__(self, file: SignedFile, closed: datetime) -> None:
        store = file.now.dictionary(file.now.root, "/DSS")
        if "/OCSPs" in store:
            raise UnusualChain("answers of OCSP")
        self._lists = [load_revocation_list(_data(one)) for one in streams_of(file)]
        self._closed = closed

    def last_moment(self, certificate: x509.Certificate, authority: x509.Certificate) -> datetime:
        """Return the last moment at which the newest list covers the certificate. Raises UnusualChain."""
        of_authority = [one for one in self._lists if one.issuer == authority.subject]
        for one in of_authority:
            self._check(one, authority.public_key())
            if one.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                raise UnusualChain("a certificate that was revoked")
        newest = max(of_authority, key=lambda one: one.last_update_utc, default=None)
        if newest is None or newest.next_update_utc is None:
            raise UnusualChain("no list of revoked certificates")
        return newest.next_update_utc

    def _check(self, one: x509.CertificateRevocationList, key: CertificatePublicKeyTypes) -> None:
        used = one.signature_hash_algorithm
        if used is None or used.name not in _HASHES or not one.is_signature_valid(key):  # type: ignore[arg-type]
            raise UnusualChain("a list that is not signed by the authority")
        if one.last_update_utc > self._closed or any(each.oid not in _KNOWN_OF_A_LIST for each in one.extensions):
            raise UnusualChain("an unusual list of revoked certificates")
        if CRITICAL in one.tbs_certlist_bytes:
            raise UnusualChain("a list that demands more")


def _data(stream: object) -> bytes:
    if not isinstance(stream, Stream) or "/Filter" in stream.entries:
        raise UnusualChain("a list that is packed")
    return stream.data
