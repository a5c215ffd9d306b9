"""The child's part of sealing: read files from unknown sources, and prepare the bytes to append.

The hash and the plan of the last file are kept here until its signature arrives. If a file crashes this process, its
parent is not affected, and the next file gets a new child.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.documents.child import serve
from hub.documents.ofd.sign import PreparedOfd
from hub.documents.pades.mapped_file import hash_file
from hub.documents.sealing.prepare_ofd import ZIP_HEAD, OfdOrder, prepare_ofd
from hub.documents.sealing.prepare_pdf import PDF_HEAD, PdfOrder, PreparedPdfSeal, prepare_pdf
from hub.documents.signature import Evidence
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_place import parse_seal_place


class Child:
    """A worker for one file at a time: prepare it, then finish it."""

    def __init__(self) -> None:
        self._pdf: PreparedPdfSeal | None = None
        self._ofd: PreparedOfd | None = None

    def answer(self, question: bytes) -> bytes:
        head, _, body = question.partition(b"\n")
        asked = json.loads(head)
        if asked["do"] == "prepare":
            return self._prepare(asked, body)
        if asked["do"] == "close":
            return self._close(asked, body)
        assert self._ofd is not None
        timestamp = b64decode(asked["timestamp"]) if asked["timestamp"] else None
        return self._ofd.finish(body, timestamp)

    def _prepare(self, asked: dict[str, Any], picture: bytes) -> bytes:
        self._pdf = self._ofd = None
        path, place = Path(asked["path"]), parse_seal_place(asked["place"])
        at = datetime.fromisoformat(asked["at"])
        with path.open("rb") as file:
            head = file.read(len(PDF_HEAD))
        if head == PDF_HEAD:
            chain = tuple(b64decode(each) for each in asked["chain"])
            self._pdf = prepared = prepare_pdf(PdfOrder(path, place, picture, chain, at))
            said: dict[str, Any] = {"kind": "pdf", "length": prepared.length, "gap": prepared.gap}
            said |= {"to_be_signed": _text(prepared.to_be_signed), "sha256": prepared.hashed.digest().hex()}
            return _said(said, prepared.reserved.appended)
        if not head.startswith(ZIP_HEAD):
            raise CannotSeal(SealFault.NOT_A_DOCUMENT)
        if asked["ofd"] is None:
            raise CannotSeal(SealFault(asked["ofd_fault"]))
        seal, certificate = b64decode(asked["ofd"]["seal"]), b64decode(asked["ofd"]["certificate"])
        size = (float(asked["ofd"]["width"]), float(asked["ofd"]["height"]))
        self._ofd = prepare_ofd(OfdOrder(path, place, seal, certificate, size, at))
        said = {"kind": "ofd", "to_be_signed": _text(self._ofd.to_be_signed), "sha256": hash_file(path).digest().hex()}
        return _said(said, b"")

    def _close(self, asked: dict[str, Any], content: bytes) -> bytes:
        assert self._pdf is not None
        evidence = Evidence(
            *([b64decode(each) for each in asked[name]] for name in ("certificates", "crls", "answers"))
        )
        signed, reserved = self._pdf.close(content, evidence)
        start, end = (place - self._pdf.length - len(signed) for place in reserved.gap)
        said = {"first": len(signed), "gap": (start, end), "digest": reserved.digest.hex()}
        return _said(said, signed + reserved.appended)


def _said(facts: dict[str, Any], body: bytes) -> bytes:
    return json.dumps(facts).encode() + b"\n" + body


def _text(value: bytes) -> str:
    return b64encode(value).decode()


if __name__ == "__main__":
    serve(Child().answer, (CannotSeal,))
