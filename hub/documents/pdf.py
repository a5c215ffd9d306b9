"""PDF signatures of a contract, in the order of its life: fields, prepare, verify, embed, validation data, close."""

from __future__ import annotations

from hub.documents.closing import close, with_validation_data
from hub.documents.deferred import Prepared, embed, prepare, prepare_now, verified_der
from hub.documents.fields import FieldBox, with_signature_fields

__all__ = [
    "FieldBox",
    "Prepared",
    "close",
    "embed",
    "prepare",
    "prepare_now",
    "verified_der",
    "with_signature_fields",
    "with_validation_data",
]
