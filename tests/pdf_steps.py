"""The steps that write into a file, by the engine that a test names, or else by the product's own engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from hub.documents.signing.engine import OwnEngine, PdfEngine, PyhankoEngine, close_file
from hub.documents.signing.signature import (
    Evidence,
    FieldBox,
    NewSignature,
    Prepared,
    ReservedTimestamp,
    TimestampSource,
)


class NoGeneralWay(PyhankoEngine):
    """An engine that fails the test when it is used: the file did not fit the profile of our own engine."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"the general way was taken: {name}")


def utc_now() -> datetime:
    return datetime.now(UTC)


PYHANKO = PyhankoEngine()
OWN = OwnEngine(utc_now)
OWN_ALONE = OwnEngine(utc_now, NoGeneralWay())


def with_signature_fields(pdf: bytes, boxes: Sequence[FieldBox], *, engine: PdfEngine = OWN) -> bytes:
    return engine.with_signature_fields(pdf, boxes)


async def prepare(
    document: bytes, signature: NewSignature, chain: Sequence[bytes], *, engine: PdfEngine = OWN
) -> Prepared:
    return await asyncio.to_thread(engine.prepare, document, signature, chain)


def with_validation_data(
    signed: bytes,
    field: str,
    certificates: Sequence[bytes],
    crls: Sequence[bytes],
    *,
    engine: PdfEngine = OWN,
) -> bytes:
    return engine.with_validation_data(signed, field, Evidence(certificates, crls))


def reserve_timestamp(
    sealed: bytes, certificates: Sequence[bytes], crls: Sequence[bytes], *, engine: PdfEngine = OWN
) -> ReservedTimestamp:
    return engine.reserve_timestamp(sealed, Evidence(certificates, crls))


async def close(
    sealed: bytes,
    timestamps: TimestampSource,
    certificates: Sequence[bytes],
    crls: Sequence[bytes],
    answers: Sequence[bytes] = (),
    *,
    engine: PdfEngine = OWN,
) -> bytes:
    return await close_file(engine, sealed, timestamps, Evidence(certificates, crls, answers))
