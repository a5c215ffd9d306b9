"""Open an evidence package, an ASiC-E container with CAdES. ETSI EN 319 162-1, 4.4 and annex A.

These checks need no list of trusted certificates: the container is complete, each item is the one that was signed, and
nothing else is in it. `qianda.evidence.signer` determines whose signature it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from qianda.evidence import reasons
from qianda.evidence.evidence_record import ProvenFiles, check_evidence_record
from qianda.evidence.items import META, PackageItem, read_items
from qianda.evidence.manifest import Manifest, check_complete, check_references, read_manifest
from qianda.evidence.reasons import BadPackage
from qianda.verify.cms_check import BadCmsSignature, CheckedCms, check_detached

MIMETYPE: Final = "mimetype"
ASIC_E: Final = b"application/vnd.etsi.asic-e+zip"
SIGNED_MANIFEST: Final = "META-INF/ASiCManifest001.xml"
SIGNATURE: Final = "META-INF/signature001.p7s"
PROOF_MANIFEST: Final = "META-INF/ASiCEvidenceRecordManifest001.xml"
PROOF: Final = "META-INF/evidencerecord001.ers"
# The manifest and the evidence record for each authority that timestamped the root of the tree.
PROOFS: Final = (
    (PROOF_MANIFEST, PROOF),
    ("META-INF/ASiCEvidenceRecordManifest002.xml", "META-INF/evidencerecord002.ers"),
)
PROOF_ITEMS: Final = tuple(name for pair in PROOFS for name in pair)


@dataclass(frozen=True)
class AsicContainer:
    """A complete container.

    `items`: all items by name, in the order of the file. `signatures`: valid ones, by the manifest that each signs; the
    signers are not checked yet. `proofs`: checked evidence records, by their manifest.
    """

    items: Mapping[str, bytes]
    signatures: Mapping[str, CheckedCms]
    proofs: Mapping[str, ProvenFiles]


def open_container(data: bytes, *, ours: bool = True) -> AsicContainer:
    """Check and open a container. Raises BadPackage.

    `ours`: it must have the form that Qianda writes. Otherwise other forms are also accepted: a mimetype at another
    place or none, evidence records alone, and records that prove further files.
    """
    # Before it is read: the ZIP files of most programs are not as strict as a package has to be.
    if ours and MIMETYPE.encode() not in data and META.encode() not in data:
        raise BadPackage(reasons.ORDINARY_ZIP)
    listed = read_items(data)
    items = {item.name: item.content for item in listed}
    _check_mimetype(listed, items, ours)
    signed, proven = _manifests(items, "ASiCManifest"), _manifests(items, "ASiCEvidenceRecordManifest")
    if not signed and (ours or not proven):
        raise BadPackage(reasons.MANIFEST_MISSING)
    if ours:
        _check_manifests({**signed, **proven})
    _check_all_listed(items, signed or proven, {**signed, **proven})
    signatures = {name: _signature(name, manifest, items) for name, manifest in signed.items()}
    covered = [*_outside(items), *signed, *(manifest.about for manifest in signed.values())] if ours else []
    proofs = {name: _proof(manifest, items, covered) for name, manifest in proven.items()}
    return AsicContainer(items, signatures, proofs)


def _check_mimetype(listed: list[PackageItem], items: Mapping[str, bytes], ours: bool) -> None:
    first = listed[0] if listed else None
    if ours and not (first and first.name == MIMETYPE and first.plain):
        raise BadPackage(reasons.MIMETYPE_WRONG)
    if MIMETYPE in items and items[MIMETYPE] != ASIC_E:
        raise BadPackage(reasons.MIMETYPE_WRONG)


def _manifests(items: Mapping[str, bytes], kind: str) -> dict[str, Manifest]:
    return {
        name: read_manifest(name, content)
        for name, content in items.items()
        if name.startswith(META + kind) and name.endswith(".xml")
    }


def _check_manifests(manifests: Mapping[str, Manifest]) -> None:
    """Check that there are only manifests that Qianda writes. Otherwise a second signer could pass as its maker."""
    for name, manifest in manifests.items():
        if (name, manifest.about) not in ((SIGNED_MANIFEST, SIGNATURE), *PROOFS):
            raise BadPackage(reasons.ITEM_UNLISTED.about(name=name))


def _outside(items: Mapping[str, bytes]) -> list[str]:
    """Return the names of the package's actual content: all items except its mimetype and META-INF."""
    return [name for name in items if name != MIMETYPE and not name.startswith(META)]


def _check_all_listed(
    items: Mapping[str, bytes], covering: Mapping[str, Manifest], manifests: Mapping[str, Manifest]
) -> None:
    """Check that nothing was added, changed or removed."""
    for manifest in manifests.values():
        check_references(manifest, items)
    together = tuple(reference for manifest in covering.values() for reference in manifest.references)
    check_complete(Manifest("", together), _outside(items))
    known = {*manifests, *(manifest.about for manifest in manifests.values())}
    for name in items:
        if name.startswith(META) and name not in known:
            raise BadPackage(reasons.ITEM_UNLISTED.about(name=name))


def _signature(name: str, manifest: Manifest, items: Mapping[str, bytes]) -> CheckedCms:
    if manifest.about not in items:
        raise BadPackage(reasons.SIGNATURE_MISSING)
    try:
        return check_detached(items[manifest.about], lambda algorithm: hashlib.new(algorithm, items[name]).digest())
    except BadCmsSignature as error:
        raise BadPackage(reasons.SIGNATURE_WRONG.about(why=error.reason)) from error


def _proof(manifest: Manifest, items: Mapping[str, bytes], covered: list[str]) -> ProvenFiles:
    """Check an evidence record. `covered`: the items that it has to cover at least."""
    if manifest.about not in items:
        raise BadPackage(reasons.ITEM_MISSING.about(name=manifest.about))
    check_complete(manifest, covered)
    files = {reference.name: items[reference.name] for reference in manifest.references}
    return check_evidence_record(items[manifest.about], files, as_group=bool(covered))
