"""The final check against the parts that others make: a timestamp service that signs other tokens, and a signature in
a changed container, which nothing covers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hub.documents.pades import cms
from hub.documents.pades.check import check_finished_file
from hub.documents.pades.check_cms import DIRECTORY_NAME, OutsideProfile
from hub.documents.signing import signature
from hub.timestamps.builtin import BuiltinTimestamps
from qianda import cms_parts, der
from qianda.cms_parts import CONTEXT_0, CONTEXT_1, NULL, SHA256, CertificateNames, attribute, object_identifier
from qianda.der import INTEGER, OCTET_STRING, SEQUENCE, SET, encode
from qianda.verify.pdf.structure import check_finished
from tests.pades.made import GUARDIAN, made_by, pki, plainly_expected, refused
from tests.signing_parts import SEAL, FinishedParts, Pki

Parts = list[bytes]
Change = Callable[[Parts], Parts]
SHA512 = object_identifier("2.16.840.1.101.3.4.2.3")
ECDSA = object_identifier("1.2.840.10045.4.3.2")
OTHER = object_identifier("1.2.3.4")
ODD_ALGORITHM = encode(SEQUENCE, ECDSA + encode(OCTET_STRING, b"anything"))


def split(value: bytes, tag: int = SEQUENCE) -> Parts:
    return [each.whole for each in der.read(value).children(tag)]


def joined(parts: Parts, tag: int = SEQUENCE) -> bytes:
    return encode(tag, b"".join(parts))


def signed_data(content_info: bytes, change: Change) -> bytes:
    """Change the parts of SignedData: version, digests, content, certificates, signers."""
    kind, wrapped = split(content_info)
    data = der.only(der.read(wrapped).children(CONTEXT_0)).whole
    return encode(SEQUENCE, kind + encode(CONTEXT_0, joined(change(split(data)))))


def signer(change: Change) -> Change:
    """Change the parts of SignerInfo: version, name, digest, signed attributes, algorithm, value, unsigned ones."""

    def changed(parts: Parts) -> Parts:
        return [*parts[:-1], encode(SET, joined(change(split(der.only(der.read(parts[-1]).children(SET)).whole))))]

    return changed


def named_certificates(parts: Parts) -> Parts:
    return [each for each in parts if cms_parts.SIGNING_CERTIFICATE_V2 in each]


def put(place: int, new: Callable[[bytes], bytes]) -> Change:
    return lambda parts: [*parts[:place], new(parts[place]), *parts[place + 1 :]]


def with_unsigned(kind: bytes) -> Change:
    return signer(put(6, lambda old: joined([*split(old, CONTEXT_1), attribute(kind, NULL)], CONTEXT_1)))


def stamped_twice(attributes: bytes) -> bytes:
    kind, values = split(der.only(der.read(attributes).children(CONTEXT_1)).whole)
    return encode(CONTEXT_1, encode(SEQUENCE, kind + joined(split(values, SET) * 2, SET)))


# ---- the container of a signature

CONTAINERS: dict[str, tuple[Change, str]] = {
    "two signers": (put(4, lambda old: joined(split(old, SET) * 2, SET)), "one value expected"),
    "two timestamps": (signer(put(6, lambda old: joined(split(old, CONTEXT_1) * 2, CONTEXT_1))), "occurs twice"),
    "two values of a timestamp": (signer(put(6, stamped_twice)), "one value expected"),
    "another unsigned attribute": (with_unsigned(OTHER), "its unsigned attributes"),
    "unsigned attributes twice": (signer(lambda parts: [*parts, parts[6]]), "the version"),
    "revocation lists": (lambda parts: [*parts[:4], encode(CONTEXT_1, b""), parts[4]], "a certificate that nobody"),
    "an algorithm with parameters": (signer(put(4, lambda old: ODD_ALGORITHM)), "parameters of an algorithm"),
    "two digests": (put(1, lambda old: joined([SHA256, SHA256], SET)), "the list of digests"),
    "content inside": (
        put(2, lambda old: joined([cms_parts.DATA, encode(CONTEXT_0, encode(OCTET_STRING, b""))])),
        "something of another kind",
    ),
}


def with_container(monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]) -> FinishedParts:
    """Return a contract whose signer's signature has another container."""
    assembled, made = cms.assembled, list[bytes]()

    def changed(*parts: object) -> bytes:
        made.append(assembled(*parts))  # type: ignore[arg-type]
        return change(made[0]) if len(made) == 1 else made[-1]

    monkeypatch.setattr(signature, "assembled", changed)
    contract = made_by(pki())
    assert change(made[0]) != made[0]
    return contract


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_signature_in_another_container(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    change, reason = CONTAINERS[name]
    made = with_container(monkeypatch, lambda content_info: signed_data(content_info, change))
    assert reason in refused(made.final, plainly_expected(made))


def test_a_signature_with_something_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_container(monkeypatch, lambda content_info: joined([*split(content_info), NULL]))
    assert "too many values" in refused(made.final, plainly_expected(made))


# ---- a timestamp service that signs what it likes


class _OtherTokens:
    """The timestamp service with changed tokens. `only`: the index of the changed answer, from 0."""

    def __init__(self, change: Callable[[bytes], bytes], only: int) -> None:
        self.certificates = pki().timestamps.certificates
        self._change, self._only, self._count = change, only, -1

    async def timestamp(self, digest: bytes) -> bytes:
        self._count += 1
        token = await pki().timestamps.timestamp(digest)
        return self._change(token) if self._count == self._only else token


def with_token(change: Callable[[bytes], bytes], only: int) -> FinishedParts:
    return made_by(replace(pki(), timestamps=_OtherTokens(change, only)))  # type: ignore[arg-type]


def token_parts(change: Change) -> Callable[[bytes], bytes]:
    """Change what the signature of a token does not cover."""
    return lambda token: signed_data(token, change)


def token_said(
    info: Change = lambda parts: parts, attributes: Change = lambda parts: parts
) -> Callable[[bytes], bytes]:
    """Change TSTInfo (version, policy, imprint, serial number, time) and the signed attributes, and sign anew."""

    def resigned(parts: Parts) -> Parts:
        content = der.only(der.read(split(parts[2])[1]).children(CONTEXT_0)).content
        content = joined(info(split(content)))
        version, name, digest, old, algorithm, _ = split(der.only(der.read(parts[-1]).children(SET)).whole)
        said = [each for each in split(old, CONTEXT_0) if cms_parts.MESSAGE_DIGEST not in each]
        hashed = encode(OCTET_STRING, hashlib.sha256(content).digest())
        to_be_signed = joined(sorted(attributes([*said, attribute(cms_parts.MESSAGE_DIGEST, hashed)])), SET)
        key = pki().timestamps._key._private_key  # type: ignore[attr-defined]
        value = encode(OCTET_STRING, key.sign(to_be_signed, ec.ECDSA(hashes.SHA256())))
        again = [version, name, digest, bytes((CONTEXT_0,)) + to_be_signed[1:], algorithm, value]
        encapsulated = joined([cms_parts.TST_INFO, encode(CONTEXT_0, encode(OCTET_STRING, content))])
        return [*parts[:2], encapsulated, *parts[3:-1], encode(SET, joined(again))]

    return token_parts(resigned)


def named_by(owner: Callable[[Pki], Sequence[bytes]]) -> Change:
    """Name the service's certificate by its hash, and that of the owner by its issuer and serial number."""

    def changed(parts: Parts) -> Parts:
        names = CertificateNames.read(owner(pki())[0])
        hashed = encode(OCTET_STRING, hashlib.sha256(pki().timestamps.certificates[0]).digest())
        issuer = encode(SEQUENCE, encode(DIRECTORY_NAME, names.issuer))
        reference = joined([hashed, joined([issuer, names.serial])])
        named = attribute(cms_parts.SIGNING_CERTIFICATE_V2, joined([joined([reference])]))
        return [*(each for each in parts if cms_parts.SIGNING_CERTIFICATE_V2 not in each), named]

    return changed


def sha512(imprint: bytes) -> bytes:
    return imprint.replace(object_identifier("2.16.840.1.101.3.4.2.1"), SHA512)


def at(moment: datetime) -> Change:
    return put(4, lambda old: encode(0x18, f"{moment:%Y%m%d%H%M%SZ}".encode()))


IN_AN_HOUR = datetime.now(UTC) + timedelta(hours=1)
FIRST, LAST = 0, 2
TOKENS: dict[str, tuple[Callable[[bytes], bytes], int, str]] = {
    "two signers": (token_parts(put(4, lambda old: joined(split(old, SET) * 2, SET))), LAST, "one value expected"),
    "two sets of certificates": (token_parts(lambda parts: [*parts[:4], *parts[3:]]), LAST, "two sets"),
    "an algorithm with parameters": (token_parts(signer(put(4, lambda old: ODD_ALGORITHM))), LAST, "parameters"),
    "another version": (token_said(put(0, lambda old: encode(INTEGER, b"\x02"))), FIRST, "the version of a timestamp"),
    "an imprint of another digest": (token_said(put(2, sha512)), FIRST, "over something else"),
    "an hour ahead of the next": (token_said(at(IN_AN_HOUR)), FIRST, "older than one that it covers"),
    "two names of a certificate": (
        token_said(attributes=lambda parts: parts + named_certificates(parts)),
        FIRST,
        "occurs twice",
    ),
    "another issuer and number": (
        token_said(attributes=named_by(lambda pki: pki.seal.chain)),
        FIRST,
        "two certificates are named",
    ),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_of_another_form(name: str) -> None:
    change, only, reason = TOKENS[name]
    made = with_token(change, only)
    assert reason in refused(made.final, plainly_expected(made))


def test_a_token_that_does_not_contain_its_certificate() -> None:
    """Another check has to decide, and refuses it: the certificate may not be the configured one."""
    made = with_token(token_parts(lambda parts: [*parts[:3], parts[4]]), LAST)
    with pytest.raises(OutsideProfile):
        check_finished_file(made.final, plainly_expected(made))
    assert check_finished(made.final, [GUARDIAN, SEAL])


def test_a_token_by_a_certificate_for_other_purposes() -> None:
    stamping = BuiltinTimestamps(pki().seal_key, pki().seal.chain, pki().clock)
    made = made_by(replace(pki(), timestamps=stamping))
    assert "for other purposes" in refused(made.final, plainly_expected(made))


def test_the_control_of_the_tokens() -> None:
    """The same methods, with changes that any service may make."""
    own = named_by(lambda pki: pki.timestamps.certificates)
    for change in (token_said(), token_said(attributes=own), token_said(at(datetime.now(UTC)))):
        made = with_token(change, LAST)
        check_finished_file(made.final, plainly_expected(made))
