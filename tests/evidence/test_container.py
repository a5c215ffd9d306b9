"""A package that the product wrote is accepted, and each thing that is changed in it is refused."""

from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import pem

from hub.authorities.builtin import TIMESTAMP_LIFE
from hub.documents.evidence.container import covered_items, digests_of_parts, signed_manifest
from qianda.evidence.container import MIMETYPE, SIGNATURE, SIGNED_MANIFEST, open_container
from qianda.evidence.items import META, read_items
from qianda.evidence.reasons import BadPackage
from qianda.evidence.signer import check_signer, find_trusted_proofs
from qianda.verify.trust import Trust
from tests.evidence.forged_packages import items_of, zipped
from tests.evidence.small_package import ITEMS, SmallPackage, package_of, proven, small_package
from tests.lifecycle.clockwork import StandingClock
from tests.signing_parts import Pki


@pytest.mark.parametrize("version", ["file", "proven"])
def test_accepts_what_the_product_wrote(package: SmallPackage, version: str) -> None:
    container = open_container(getattr(package, version))
    assert ITEMS.items() <= container.items.items()
    signer = check_signer(container, package.trust)
    assert (signer.name, signer.trial) == ("示范学校", True)
    assert len(container.proofs) == (version == "proven")


def test_version_two_changes_nothing_that_is_signed(package: SmallPackage) -> None:
    before = {item.name: item.content for item in read_items(package.file)}
    after = {item.name: item.content for item in read_items(package.proven)}
    assert before.items() <= after.items()
    assert set(after) - set(before) == {
        "META-INF/ASiCEvidenceRecordManifest001.xml",
        "META-INF/evidencerecord001.ers",
    }


def test_the_hashes_of_what_is_packed_are_those_of_the_package(package: SmallPackage) -> None:
    items = {item.name: item.content for item in read_items(package.file)}
    assert items.pop(MIMETYPE)
    parts = items.pop(SIGNED_MANIFEST), items.pop(SIGNATURE)
    assert digests_of_parts(items, *parts) == [
        hashlib.sha256(content).digest() for content in covered_items(package.file).values()
    ]


@pytest.mark.parametrize("neighbours", [0, 1, 2, 5, 6, 7, 40])
async def test_proves_in_trees_of_every_shape(package: SmallPackage, neighbours: int) -> None:
    (proof,) = open_container(await proven(package.file, package.pki, neighbours)).proofs.values()
    assert proof.renewals == 0


def test_refuses_a_package_of_an_unknown_authority_with_the_same_names(package: SmallPackage, tmp_path: Path) -> None:
    other = asyncio.run(small_package(tmp_path))
    with pytest.raises(BadPackage, match="authority that is not trusted"):
        check_signer(open_container(other.file), package.trust)
    mixed = Trust(package.trust.authorities, (*package.trust.timestamp_authorities, *other.trust.timestamp_authorities))
    with pytest.raises(BadPackage, match="no path leads from its certificate") as raised:
        check_signer(open_container(other.file), mixed)
    assert not re.search("[A-Za-z]", raised.value.reason.zh)


async def test_one_of_two_records_has_to_be_trusted_and_none_may_be_wrong(package: SmallPackage) -> None:
    clock = StandingClock()
    other, late = await Pki.make(), await Pki.make(clock)
    clock.advance(TIMESTAMP_LIFE + timedelta(days=1))
    file, pki = package.file, package.pki
    for number, pair in enumerate(((pki, other), (other, pki))):
        container = open_container(await proven(file, pair[0], second=pair[1]))
        trusted = find_trusted_proofs(container, package.trust)
        assert list(trusted.values()) == [list(container.proofs.values())[number]]
    for first, second in ((other, None), (other, other), (pki, late)):  # a certificate that had run out is wrong
        container = open_container(await proven(file, first, second=second))
        with pytest.raises(BadPackage, match="authority that is not trusted"):
            await asyncio.to_thread(check_signer, container, package.trust)


def test_refuses_a_signer_in_place_of_the_seal(package: SmallPackage) -> None:
    pki = package.pki

    async def forge() -> bytes:
        person = await pki.authority.enrol(pki.seal_key.spki, "示范学校", "P0")
        return await package_of(ITEMS, Pki(pki.authority, pki.timestamps, pki.seal_key, person, pki.clock))

    forged = asyncio.run(forge())
    with pytest.raises(BadPackage, match="seal"):
        check_signer(open_container(forged), package.trust)


@pytest.mark.parametrize("name", ["META-INF/ASiCManifest000.xml", "META-INF/ASiCManifest002.xml"])
async def test_refuses_a_second_signature_by_another_trusted_seal(package: SmallPackage, name: str) -> None:
    """Its signer was named as the maker of the package if it came first."""
    other, items = await Pki.make(), items_of(package.file)
    theirs = {each: content for each, content in items.items() if each != MIMETYPE and not each.startswith(META)}
    theirs["trust/list-002.crl"] = await other.authority.revocation_list([])
    signature = name.replace("ASiCManifest", "signature").replace(".xml", ".p7s")
    manifest = signed_manifest(theirs).replace(SIGNATURE.encode(), signature.encode())
    added = {name: manifest, signature: items_of(await package_of(theirs, other, manifest=manifest))[SIGNATURE]}
    forged = zipped({MIMETYPE: items[MIMETYPE], **added, **items, **theirs}.items())
    with pytest.raises(BadPackage, match=f"{name} is in the package"):
        open_container(forged)


def test_openssl_and_unzip_read_it(package: SmallPackage, tmp_path: Path) -> None:
    (tmp_path / "evidence.zip").write_bytes(package.proven)
    (tmp_path / "root.pem").write_bytes(pem.armor("CERTIFICATE", package.pki.authority.root))
    subprocess.run(["unzip", "-q", "evidence.zip"], cwd=tmp_path, check=True)
    verify = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "META-INF/signature001.p7s"]
    verify += [
        "-content",
        "META-INF/ASiCManifest001.xml",
        "-CAfile",
        "root.pem",
        "-purpose",
        "any",
        "-out",
        "/dev/null",
    ]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    manifest = tmp_path / "META-INF/ASiCManifest001.xml"
    manifest.write_bytes(manifest.read_bytes().replace(b"CHECK.md", b"check.md"))
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode != 0
