"""Check that the record of a completed contract is about the signatures in its file: what each signer was shown, and
which key signed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from qianda.evidence import reasons
from qianda.evidence.contents import FINAL_FILE, RECORD
from qianda.evidence.reasons import BadPackage
from qianda.strict_json import read_json
from qianda.verify.elements import VerificationReport
from qianda.verify.findings import Reason
from qianda.verify.pdf.signed_file import SignedFile

_ACCEPTED = "signature-accepted"


def check_signing_record(document: VerificationReport, items: Mapping[str, bytes]) -> None:
    """Raise BadPackage if no entry fits a signer's signature. `document`: the report on the file, which did not
    fail."""
    try:
        recorded = set(_recorded(items[RECORD]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadPackage(
            reasons.NOT_OF_A_CONTRACT.about(what=Reason(f"记录中缺少 {error}", f"{error} is missing in the record"))
        ) from error
    file = SignedFile(items[FINAL_FILE])
    shown = {
        each.name: hashlib.sha256(file.pdf[: file.revisions[each.revision - 1].end]).hexdigest()
        for each in file.signatures
    }
    for party in document.parties:
        if not party.is_seal and (party.field, shown[party.field], party.certificate_sha256) not in recorded:
            raise BadPackage(reasons.SIGNED_SOMETHING_ELSE.about(field=party.field))


def _recorded(record: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield field, hash of what was shown, and hash of the certificate, of each signature that was accepted."""
    for line in record.decode().removesuffix("\n").split("\n"):  # the same split as in the check of the chain
        entry = read_json(line)
        if entry["kind"] == _ACCEPTED:
            facts = entry["facts"]
            yield facts["field"], facts["shown_sha256"], facts["certificate_sha256"]
