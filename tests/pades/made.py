"""Contracts by our own engine on a sample page, and what the final check has to say about them."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import cms

from hub.documents.pades.check import Expected, ExpectedSignature, check_finished_file
from hub.documents.pades.written_revisions import FileIsWrong
from hub.documents.signing.stamps import SignerStamp, signature_stamp
from tests.pdf_steps import OWN_ALONE
from tests.signing_parts import SEAL, FinishedParts, Pki, finished_contract

GUARDIAN = "guardian-1"


def run(work: Callable[[], object]) -> FinishedParts:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work()).result()  # type: ignore[arg-type]


@cache
def pki() -> Pki:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, Pki.make()).result()


def picture() -> bytes:
    return signature_stamp(SignerStamp("王小明", None, "2026-12-01", "zh"), (150.0, 60.0))


def made_by(pki_used: Pki, **more: object) -> FinishedParts:
    folder = Path(tempfile.mkdtemp(prefix="pades-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return run(
        lambda: finished_contract(
            folder,
            pki=pki_used,
            appearances={GUARDIAN: picture()},
            engine=OWN_ALONE,
            **more,  # type: ignore[arg-type]
        )
    )


@cache
def good() -> FinishedParts:
    return made_by(pki())


def refused(file: bytes, expected: Expected) -> str:
    with pytest.raises(FileIsWrong) as raised:
        check_finished_file(file, expected)
    return str(raised.value)


def plainly_expected(made: FinishedParts) -> Expected:
    """Return what is expected of a contract. The values are read from the bytes, even if a reader would not find the
    field."""
    chains = {name: issued.chain for name, issued in made.signers.items()} | {SEAL: made.pki.seal.chain}
    values = []
    for digits in re.findall(rb"<([0-9a-f]{16384})>", made.final)[: len(chains)]:
        contents = bytes.fromhex(digits.decode())
        values.append(cms.ContentInfo.load(contents)["content"]["signer_infos"][0]["signature"].native)
    signatures = [
        ExpectedSignature(name, chain[0], value) for (name, chain), value in zip(chains.items(), values, strict=True)
    ]
    return Expected(
        hashlib.sha256(made.revisions["unsigned"]).hexdigest(),
        len(made.revisions["unsigned"]),
        signatures,
        frozenset(each for chain in chains.values() for each in chain),
        frozenset(made.pki.timestamps.certificates),
    )
