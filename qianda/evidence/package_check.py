"""Check an evidence package offline: container, signature, contents, evidence record, and the contract inside.

If a part fails, the report names it, and nothing after it is believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qianda.evidence.addendum import ADDENDUM, AddendumReport, check_addendum
from qianda.evidence.container import PROOFS, AsicContainer, open_container
from qianda.evidence.contents import FINAL_FILE, ISSUED_FILE, check_contents
from qianda.evidence.custody import with_custody
from qianda.evidence.evidence_record import ProvenFiles
from qianda.evidence.items import MAX_TOTAL_BYTES
from qianda.evidence.reasons import (
    ADDENDUM_ALONE,
    ADDENDUM_BY_ANOTHER,
    ANOTHER_CONTRACT,
    NO_FINAL_FILE,
    TOO_MUCH,
    BadPackage,
)
from qianda.evidence.signer import PackageSigner, check_signer, find_trusted_proofs
from qianda.evidence.signing_record import check_signing_record
from qianda.verify import verify_bytes
from qianda.verify.elements import SigningParty, VerificationReport
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Reason, UnreadablePdf
from qianda.verify.reasons import ANOTHER_DOCUMENT
from qianda.verify.trust import Trust


@dataclass(frozen=True)
class PackageReport:
    """The verifier's report on one package.

    `fault`: why it is not believed; then all other fields are empty, except the facts about the file itself.
    `is_untrusted`: the only fault is that no trusted organisation signed it. `contract`: the facts in `contract.json`.
    `proven_since`: the time in the trusted evidence record that lasts longest, if any; `proof_ends`: the end of its
    newest timestamp's certificate. `untrusted_proofs`: the other evidence records, whose authorities are not trusted.
    `document`: the report on the finished file in it; None for contracts that ended in another way. `sealed_by`: the
    organisation whose seal is in that file, if another one made the package; otherwise empty. `addendum`: the
    report on the addendum that was checked with it; `addendum_fault`: why the addendum is not believed, which says
    nothing about the package.
    """

    file: str
    sha256: str
    size: int
    fault: Reason | None = None
    is_untrusted: bool = False
    contract: Mapping[str, Any] | None = None
    signer: PackageSigner | None = None
    proven_since: datetime | None = None
    proof_ends: datetime | None = None
    untrusted_proofs: Sequence[str] = ()
    items: int = 0
    document: VerificationReport | None = None
    sealed_by: str = ""
    addendum: AddendumReport | None = None
    addendum_fault: Reason | None = None

    @property
    def failed(self) -> bool:
        wrong = self.fault is not None or self.addendum_fault is not None
        return wrong or (self.document is not None and self.document.failed)


def check_package_file(path: Path, trust: Trust, expected: Expectation | None = None) -> PackageReport:
    """Check a package. Runs an event loop: call it where none is running. Raises OSError."""
    if path.stat().st_size > MAX_TOTAL_BYTES:
        return PackageReport(path.name, "", path.stat().st_size, TOO_MUCH.about(what=f"{MAX_TOTAL_BYTES >> 20} MiB"))
    return check_package(path.read_bytes(), trust, expected, name=path.name)


def check_pair_files(paths: tuple[Path, Path], trust: Trust, expected: Expectation | None = None) -> PackageReport:
    """Check a package together with its addendum, as `check_package_file` does."""
    report = check_package_file(paths[0], trust, expected)
    if report.fault is not None:
        return report
    if paths[1].stat().st_size > MAX_TOTAL_BYTES:
        return replace(report, addendum_fault=TOO_MUCH.about(what=f"{MAX_TOTAL_BYTES >> 20} MiB"))
    return with_addendum(report, paths[0].read_bytes(), paths[1].read_bytes(), trust)


def with_addendum(report: PackageReport, package: bytes, addendum: bytes, trust: Trust) -> PackageReport:
    """Return the report on a valid package, extended by that on its addendum. `addendum_fault`: its fault."""
    try:
        checked = check_addendum(open_container(package), open_container(addendum), trust)
        _check_maker(report, checked.signer)
    except BadPackage as error:
        return replace(report, addendum_fault=error.reason)
    if checked.proof is None or (report.proof_ends and report.proof_ends > _end_of(checked.proof)):
        return replace(report, addendum=checked)
    return replace(report, addendum=checked, proven_since=checked.proof.since, proof_ends=_end_of(checked.proof))


def _check_maker(report: PackageReport, signer: PackageSigner) -> None:
    """Raise BadPackage unless the organisation that made the package also made its addendum. The common name in one
    certificate is never compared with the organisation in the other, because different authorities may vouch for
    them."""
    assert report.signer is not None
    found, expected = ((each.organisation, each.organisation or each.name) for each in (signer, report.signer))
    if found != expected:
        raise BadPackage(ADDENDUM_BY_ANOTHER.about(found=found[1], expected=expected[1]))


def check_package(
    package: bytes, trust: Trust, expected: Expectation | None = None, *, name: str = ""
) -> PackageReport:
    """Check a package in memory, as `check_package_file` does."""
    report = PackageReport(name, hashlib.sha256(package).hexdigest(), len(package))
    try:
        container = open_container(package)
        if ADDENDUM in container.items:
            raise BadPackage(ADDENDUM_ALONE)
        signer = _signer(container, trust)
        trusted = find_trusted_proofs(container, trust)
        contract = check_contents(container.items)
        document = _document(container, contract, trust, expected)
        sealed_by = _other_sealer(document, signer) if document else ""
        if document and not sealed_by:  # nobody else can state how the organisation's signers kept their keys
            document = with_custody(document, container.items)
    except BadPackage as error:
        return replace(report, fault=error.reason, is_untrusted=isinstance(error, _NotTrusted))
    except UnreadablePdf as error:
        return replace(report, fault=error.reason)
    lasting = max(trusted.values(), key=_end_of, default=None)  # the records of two authorities prove the same facts
    return replace(
        report,
        contract=contract,
        signer=signer,
        proven_since=lasting.since if lasting else None,
        proof_ends=_end_of(lasting) if lasting else None,
        untrusted_proofs=[dict(PROOFS).get(name, name) for name in container.proofs if name not in trusted],
        items=len(container.items),
        document=document,
        sealed_by=sealed_by,
    )


def _other_sealer(document: VerificationReport, signer: PackageSigner) -> str:
    """Return the organisation that sealed the file, if it is not the one that made the package."""
    seals = [party for party in document.parties if party.is_seal]
    own = [seal for seal in seals if signer.organisation == seal.organisation or _has_name_alone(signer, seal)]
    return "" if own else ", ".join(seal.organisation or seal.name for seal in seals)


def _has_name_alone(signer: PackageSigner, seal: SigningParty) -> bool:
    return not signer.organisation and signer.name == seal.name


def _end_of(proof: ProvenFiles) -> datetime:
    ends: datetime = proof.timestamps[-1].certificate.not_valid_after
    return ends


class _NotTrusted(BadPackage):
    pass


def _signer(container: AsicContainer, trust: Trust) -> PackageSigner:
    try:
        return check_signer(container, trust)
    except BadPackage as error:
        raise _NotTrusted(error.reason) from error


def _document(
    container: AsicContainer, contract: Mapping[str, Any], trust: Trust, expected: Expectation | None
) -> VerificationReport | None:
    """Check the finished file, which has to be that of this contract, with its signature fields."""
    if expected and expected.number is not None and expected.number != contract["number"]:
        raise BadPackage(ANOTHER_CONTRACT.about(found=contract["number"], expected=expected.number))
    if contract["state"] != "COMPLETED":
        if expected and (expected.final_sha256, expected.fields) != (None, None):
            raise BadPackage(NO_FINAL_FILE)
        issued = hashlib.sha256(container.items[ISSUED_FILE]).hexdigest()
        if expected and expected.document_sha256 is not None and expected.document_sha256.lower() != issued:
            raise BadPackage(ANOTHER_DOCUMENT)
        return None
    wanted = replace(expected or Expectation(), number=str(contract["number"]))
    if wanted.fields is None:
        wanted = replace(wanted, fields=(*contract["fields"], "seal"))
    document = verify_bytes(container.items[FINAL_FILE], trust, wanted, name=FINAL_FILE)
    if not document.failed:
        check_signing_record(document, container.items)
    return document
