"""Compare a file with the expected values: another genuine contract of the same people is still the wrong one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qianda.strict_json import read_json
from qianda.verify import reasons
from qianda.verify.findings import Element, Finding, Reason
from qianda.verify.pdf.signed_file import SignedFile

_TEXTS = ("number", "document_sha256", "final_sha256")


class UnreadableManifest(Exception):
    """The manifest is not a JSON object, or contains nothing to compare. `reason` says which."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.en)
        self.reason = reason


@dataclass(frozen=True)
class Expectation:
    """The expected values; None means any value.

    `fields`: the signature fields, including the seal's. `number`: the contract's number. Hashes are lower-case hex:
    `document_sha256`: of the issued document; `final_sha256`: of the finished file.
    """

    fields: tuple[str, ...] | None = None
    number: str | None = None
    document_sha256: str | None = None
    final_sha256: str | None = None

    @classmethod
    def read(cls, path: Path) -> Expectation:
        """Read a manifest: a JSON object with any of these fields, for example the API's answer about a contract.
        Raises UnreadableManifest, OSError."""
        try:
            said = read_json(path.read_bytes())
        except ValueError as error:
            raise UnreadableManifest(reasons.MANIFEST_NO_JSON.about(path=path, fault=error)) from error
        texts = {name: said[name] for name in _TEXTS if name in said} if isinstance(said, dict) else {}
        fields = said.get("fields") if isinstance(said, dict) else None
        listed = isinstance(fields, list) and all(isinstance(name, str) for name in fields)
        if not all(isinstance(text, str) for text in texts.values()) or not (texts or listed):
            raise UnreadableManifest(reasons.MANIFEST_EMPTY.about(path=path))
        if fields is not None and not listed:
            raise UnreadableManifest(reasons.MANIFEST_FIELDS.about(path=path))
        return cls(fields=tuple(fields) if fields is not None else None, **texts)

    def findings(self, file: SignedFile) -> Iterator[Finding]:
        """Yield the differences, except for the fields, which `examine` compares."""
        if self.number is not None and file.contract.number != self.number:
            found = file.contract.number or "-"
            yield Finding(Element.TEXT, reasons.ANOTHER_NUMBER.about(expected=self.number, found=found))
        if self.final_sha256 is not None and _sha256(file.pdf) != self.final_sha256.lower():
            yield Finding(Element.TEXT, reasons.ANOTHER_FILE)
        if self.document_sha256 is not None and _sha256(file.issued) != self.document_sha256.lower():
            yield Finding(Element.TEXT, reasons.ANOTHER_DOCUMENT)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
