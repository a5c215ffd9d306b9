"""Check a finished file before its contract is completed: every file by the quick check, a sample by the full check
too.

The quick check knows from the database what the file has to contain (`hub.documents.pades.check`). The full check is
the one of `qianda verify` (`qianda.verify.pdf.structure`), which has only the file. If they disagree, one of them is
wrong: staff are told, and the contract is not completed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import uuid4

import structlog

from hub.content_hash import hash_content
from hub.documents.computing import compute
from hub.documents.pades.check import Expected, ExpectedSignature, check_finished_file
from hub.documents.pades.check_cms import OutsideProfile
from hub.documents.pades.written_revisions import FileIsWrong
from hub.errors import FileFailedCheck
from hub.lifecycle.sealing.hub_step import HubStep
from hub.lifecycle.services import Services
from hub.model.signing.signature_request import SEAL_FIELD, SignatureRequest
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from qianda.verify.pdf.structure import check_finished, examine

CHECKS_DIFFER = "The two checks of the finished file differ. It was not completed:"

log = structlog.get_logger()


@dataclass(frozen=True)
class _Verdict:
    """The findings of both checks; empty if a check found nothing wrong.

    `quick` is None if the quick check cannot judge the file; `full` is None if the full check did not run.
    """

    quick: str | None
    full: str | None = None

    @property
    def differ(self) -> bool:
        return self.quick is not None and self.full is not None and bool(self.quick) != bool(self.full)

    @property
    def findings(self) -> str:
        return self.quick or self.full or ""


async def check_final_file(services: Services, hub_step: HubStep, final: bytes) -> None:
    """Raise FileFailedCheck unless `final` is this contract's finished file. `hub_step` is about the seal's request."""
    contract, expected = hub_step.contract, _expected(services, hub_step)
    names = [*contract.fields, SEAL_FIELD]
    every = services.sealing.full_check_every
    verdict = await compute(final, partial(judge_final_file, final, expected, names, every))
    if verdict.differ:
        log.critical("final checks differ", contract=str(contract.id), quick=verdict.quick, full=verdict.full)
        text = f"{CHECKS_DIFFER}\n{verdict.findings}"
        async with services.database.transaction(EVERYTHING) as tx:
            task = StaffTask(uuid4(), "checks-differ", text, contract.campus, tx.now, contract.id)
            await tx.staff_tasks.add_task_once(task)
    if verdict.findings:
        raise FileFailedCheck(verdict.findings)


def judge_final_file(final: bytes, expected: Expected, fields: list[str], full_check_every: int) -> _Verdict:
    """Run the quick check. Run the full one if the quick check refuses or cannot judge the file, or if the file is
    sampled."""
    try:
        check_finished_file(final, expected)
        quick: str | None = ""
    except OutsideProfile as reason:
        log.info("final check: left to the full one", reason=str(reason))
        quick = None
    except FileIsWrong as wrong:
        quick = str(wrong)
    if quick == "" and not is_sampled(final, full_check_every):
        return _Verdict(quick)
    full = "; ".join(str(finding) for finding in check_finished(final, fields))
    if quick is None and not full:
        full = _find_other_signature(final, expected)
    return _Verdict(quick, full)


def _find_other_signature(final: bytes, expected: Expected) -> str:
    """Return what the full check cannot see, because it has only the file: the field whose signature is not the one
    that was accepted. An empty text means none."""
    found = examine(final)
    for each in expected.signatures:
        checked = found.signatures[each.field]
        is_confirmed = each.field in found.confirmed
        if (checked.encoded_certificate, checked.signature, is_confirmed) != (
            each.certificate,
            each.value,
            each.confirmation is not None,
        ):
            return f"{each.field}: another signature than the one that was accepted"
    return ""


def is_sampled(final: bytes, every: int) -> bool:
    """Return whether the file belongs to the sample of one file in `every`. The hash of the file decides: nobody can
    choose it, because the file contains a timestamp."""
    return int.from_bytes(hash_content(final).digest()[:8], "big") % every == 0


def _expected(services: Services, hub_step: HubStep) -> Expected:
    """Return what the file has to contain: the issued file, and each accepted signature."""
    signatures = [*sorted(hub_step.embedded, key=_embedded_at), hub_step.about]
    chains = [certificate for each in signatures for certificate in each.chain]
    timestamps = frozenset(services.sealing.timestamps.certificates)
    issued = hub_step.contract.document_sha256, hub_step.facts.issued_size
    return Expected(*issued, [_signature(each) for each in signatures], frozenset(chains), timestamps)


def _embedded_at(request: SignatureRequest) -> datetime:
    assert request.embedded_at is not None
    return request.embedded_at


def _signature(request: SignatureRequest) -> ExpectedSignature:
    assert request.signature is not None
    return ExpectedSignature(request.field, request.chain[0], request.signature, request.confirmation)
