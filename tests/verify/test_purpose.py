"""A signature counts only with a certificate for signing, though the same trusted authority issues others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hub.authorities import profile
from hub.timestamps.builtin import BuiltinTimestamps
from hub.tokens.softkey import SoftKey
from qianda.verify import reasons, verify_bytes
from qianda.verify.elements import VerificationReport
from qianda.verify.findings import Element
from qianda.verify.trust import Trust
from tests.signing_parts import ORGANISATION, with_broken_extension
from tests.verify.reading import complaints, failed, failed_of
from tests.verify.test_plain_chain import SIGNER, Forge, certificate_for, deep_pki

SIGNING = {"digital_signature", "non_repudiation"}
LEAF: profile.Extension = ("basic_constraints", True, {"ca": False})
SIGNS: dict[str, list[profile.Extension]] = {
    "for signing": [LEAF, ("key_usage", True, SIGNING)],
    "for e-mail, too": [LEAF, ("key_usage", True, SIGNING), ("extended_key_usage", True, ["email_protection"])],
    "for documents, as Adobe says": [
        LEAF,
        ("key_usage", True, SIGNING),
        ("extended_key_usage", True, ["1.2.840.113583.1.1.5"]),
    ],
    "for nothing in particular": [LEAF],
}
SIGNS_NOT: dict[str, list[profile.Extension]] = {
    "for encryption, whose key the authority often keeps": [LEAF, ("key_usage", True, {"key_encipherment"})],
    "for key agreement": [LEAF, ("key_usage", True, {"key_agreement"})],
    "of a server": [LEAF, ("key_usage", True, SIGNING), ("extended_key_usage", False, ["server_auth"])],
    "of a timestamp service": [LEAF, ("key_usage", True, SIGNING), ("extended_key_usage", True, ["time_stamping"])],
    "of an authority": [("basic_constraints", True, {"ca": True}), ("key_usage", True, SIGNING | {"key_cert_sign"})],
}


async def _judged(folder: Path, extensions: list[profile.Extension]) -> VerificationReport:
    pki = await deep_pki()
    forge, above = Forge(pki), pki.authority
    name = profile.name(ORGANISATION, "王小明")
    leaf = await certificate_for(forge.key, (above._key, above._root.subject), name, extensions)
    file = await forge.close((leaf, above.root), [await above.revocation_list([])])
    trust = Trust.load([pki.write_trust(folder / "trust.pem")])
    return await asyncio.to_thread(verify_bytes, file, trust)


@pytest.mark.parametrize(
    ("purposes", "counts"),
    [(["email_protection"], True), (["server_auth"], False), (["server_auth", "ocsp_signing"], False)],
)
async def test_an_authority_for_something_else(tmp_path: Path, purposes: list[str], counts: bool) -> None:
    """The purposes of an authority limit those of the certificates below it, here of one that states none."""
    pki, key = await deep_pki(), SoftKey.generate("between")
    above = pki.authority
    stated = [*profile.root_extensions(key.spki), ("extended_key_usage", False, purposes)]
    name = profile.name(ORGANISATION, "between")
    between = await certificate_for(key, (above._key, above._root.subject), name, stated)
    file = await Forge(pki).issued_by(between, key)
    trust = Trust.load([pki.write_trust(tmp_path / "trust.pem")])
    report = await asyncio.to_thread(verify_bytes, file, trust)
    assert failed(report) == (set() if counts else {Element.OWNED}), complaints(report)
    assert counts or set(complaints(report).splitlines()) == {reasons.AUTHORITY_NOT_FOR_SIGNING.en}


@pytest.mark.parametrize("extension", ["key_usage", "extended_key_usage", "certificate_policies"])
async def test_a_certificate_that_cannot_be_read(tmp_path: Path, extension: str) -> None:
    pki = await deep_pki()
    forge = Forge(pki)
    leaf, *above = (await pki.authority.enrol(forge.key.spki, "王小明", "P1")).chain
    chain = (with_broken_extension(leaf, extension), *above)
    file = await forge.close(chain, [await pki.authority.revocation_list([])])
    trust = Trust.load([pki.write_trust(tmp_path / "trust.pem")])
    report = await asyncio.to_thread(verify_bytes, file, trust)
    assert reasons.CMS_UNREADABLE.en in complaints(report)


async def test_a_timestamp_whose_certificate_cannot_be_read(tmp_path: Path) -> None:
    pki = await deep_pki()
    trust = Trust.load([pki.write_trust(tmp_path / "trust.pem")])
    own, *above = pki.timestamps.certificates
    chain = (with_broken_extension(own, "key_usage"), *above)
    forge = Forge(replace(pki, timestamps=BuiltinTimestamps(pki.timestamps._key, chain, pki.clock)))
    report = await asyncio.to_thread(verify_bytes, await forge.with_list(), trust)
    assert reasons.TIME_WRONG.en in complaints(report)


@pytest.mark.parametrize("kind", SIGNS)
async def test_a_certificate_for_signing(tmp_path: Path, kind: str) -> None:
    assert failed(await _judged(tmp_path, SIGNS[kind])) == set()


@pytest.mark.parametrize("kind", SIGNS_NOT)
async def test_a_certificate_for_something_else(tmp_path: Path, kind: str) -> None:
    report = await _judged(tmp_path, SIGNS_NOT[kind])
    assert failed(report) == failed_of(report, SIGNER) == {Element.OWNED}
    assert set(complaints(report).splitlines()) == {reasons.NOT_FOR_SIGNING.en}
