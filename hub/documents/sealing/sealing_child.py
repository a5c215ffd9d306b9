"""The child's part of sealing: read files from unknown sources, and prepare the bytes to append.

The hashes and plans of the last files are kept here until their signatures arrive. If a file crashes this process, its
parent is not affected, and the next files get a new child.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.documents.child import serve
from hub.documents.ofd.sign import PreparedOfd
from hub.documents.pades.mapped_file import hash_file
from hub.documents.sealing.parts_of_body import split_body
from hub.documents.sealing.prepare_ofd import ZIP_HEAD, OfdOrder, prepare_ofd
from hub.documents.sealing.prepare_pdf import PDF_HEAD, PdfOrder, PreparedPdfSeal, prepare_pdf
from hub.documents.signing.signature import Evidence
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_place import parse_seal_place


class Child:
    """A few files at a time: prepare them, then finish them. They are known by their numbers in the question."""

    def __init__(self) -> None:
        self._pdfs: dict[int, PreparedPdfSeal] = {}
        self._ofds: dict[int, PreparedOfd] = {}

    def answer(self, question: bytes) -> bytes:
        head, _, body = question.partition(b"\n")
        asked = json.loads(head)
        if asked["do"] == "prepare":
            return self._prepare(asked, body)
        parts = list(zip(asked["numbers"], split_body(body, asked["sizes"]), strict=True))
        return self._close(asked, parts) if asked["do"] == "close" else self._finish(asked, parts)

    def _prepare(self, asked: dict[str, Any], picture: bytes) -> bytes:
        """Prepare each file. A file that cannot be sealed is reported, and does not stop the others."""
        self._pdfs, self._ofds = {}, {}
        said, bodies = [], []
        for number, path in enumerate(asked["paths"]):
            try:
                facts, appended = self._prepare_one(number, Path(path), asked, picture)
            except CannotSeal as error:
                facts, appended = {"fault": error.fault.value}, b""
            except MemoryError:
                raise
            except Exception:  # any fault of the reader; its message may hold personal data
                facts, appended = {"fault": SealFault.UNSUITABLE.value}, b""
            said.append(facts)
            bodies.append(appended)
        return _said(said, bodies)

    def _prepare_one(
        self, number: int, path: Path, asked: dict[str, Any], picture: bytes
    ) -> tuple[dict[str, Any], bytes]:
        place, at = parse_seal_place(asked["place"]), datetime.fromisoformat(asked["at"])
        with path.open("rb") as file:
            head = file.read(len(PDF_HEAD))
        if head == PDF_HEAD:
            chain = tuple(b64decode(each) for each in asked["chain"])
            self._pdfs[number] = prepared = prepare_pdf(PdfOrder(path, place, picture, chain, at))
            said: dict[str, Any] = {"kind": "pdf", "length": prepared.length, "gap": prepared.gap}
            said |= {"to_be_signed": _text(prepared.to_be_signed), "sha256": prepared.hashed.digest().hex()}
            return said, prepared.reserved.appended
        if not head.startswith(ZIP_HEAD):
            raise CannotSeal(SealFault.NOT_A_DOCUMENT)
        if asked["ofd"] is None:
            raise CannotSeal(SealFault(asked["ofd_fault"]))
        seal, certificate = b64decode(asked["ofd"]["seal"]), b64decode(asked["ofd"]["certificate"])
        size = (float(asked["ofd"]["width"]), float(asked["ofd"]["height"]))
        self._ofds[number] = ofd = prepare_ofd(OfdOrder(path, place, seal, certificate, size, at))
        said = {"kind": "ofd", "to_be_signed": _text(ofd.to_be_signed), "sha256": hash_file(path).digest().hex()}
        return said, b""

    def _close(self, asked: dict[str, Any], contents: list[tuple[int, bytes]]) -> bytes:
        evidence = Evidence(
            *([b64decode(each) for each in asked[name]] for name in ("certificates", "crls", "answers"))
        )
        said, bodies = [], []
        for number, content in contents:
            prepared = self._pdfs.pop(number)
            signed, reserved = prepared.close(content, evidence)
            start, end = (place - prepared.length - len(signed) for place in reserved.gap)
            said.append({"first": len(signed), "gap": (start, end), "digest": reserved.digest.hex()})
            bodies.append(signed + reserved.appended)
        return _said(said, bodies)

    def _finish(self, asked: dict[str, Any], signatures: list[tuple[int, bytes]]) -> bytes:
        given = [b64decode(each) for each in asked["timestamps"]]
        stamps: Sequence[bytes | None] = given or [None] * len(signatures)
        files = [
            self._ofds.pop(number).finish(signature, stamp)
            for (number, signature), stamp in zip(signatures, stamps, strict=True)
        ]
        return _said([], files)


def _said(facts: list[dict[str, Any]], bodies: list[bytes]) -> bytes:
    head = {"files": facts, "sizes": [len(body) for body in bodies]}
    return json.dumps(head).encode() + b"\n" + b"".join(bodies)


def _text(value: bytes) -> str:
    return b64encode(value).decode()


if __name__ == "__main__":
    serve(Child().answer, ())
