"""Signature fields of a contract: all of them are there before anybody signs.

A certification signature allows filling in fields, not adding them (ISO 32000-2, 12.8.2.2). There are no fillable ones.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields


@dataclass(frozen=True)
class FieldBox:
    """Where a signature or the seal will show: PDF points from the lower left corner of page `page`, counted from 0."""

    name: str
    page: int
    x1: float
    y1: float
    x2: float
    y2: float
    seal: bool = False


def with_signature_fields(pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
    """The document with empty signature fields, as an incremental update.

    The file gets a random /ID: make it once and store it. The seal's field locks everything (FieldMDP ALL, no changes).
    """
    # The typesetter ends without a line end; the next object must begin on a line of its own (docs/file-format.md).
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf if pdf.endswith(b"\n") else pdf + b"\n"))
    for box in boxes:
        fields.append_signature_field(writer, _specification(box))
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def _specification(box: FieldBox) -> fields.SigFieldSpec:
    corners = (round(box.x1), round(box.y1), round(box.x2), round(box.y2))
    if not box.seal:
        return fields.SigFieldSpec(box.name, on_page=box.page, box=corners)
    return fields.SigFieldSpec(
        box.name,
        on_page=box.page,
        box=corners,
        doc_mdp_update_value=fields.MDPPerm.NO_CHANGES,
        field_mdp_spec=fields.FieldMDPSpec(fields.FieldMDPAction.ALL),
    )
