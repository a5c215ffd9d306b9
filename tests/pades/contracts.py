"""Contracts of each profile, by both engines from the same input."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hub.documents.signing.engine import PdfEngine
from tests.documents.contract_samples import contract_pdf, minor
from tests.pdf_steps import OWN_ALONE, PYHANKO
from tests.signing_parts import SEAL, FinishedParts, RsaKey, finished_contract
from tests.verify.genuine_files import pictures

ENGINES: dict[str, PdfEngine] = {"own": OWN_ALONE, "pyhanko": PYHANKO}


@dataclass(frozen=True)
class Profile:
    signers: tuple[str, ...]
    rsa: bool = False
    with_pictures: bool = False


PROFILES = {
    "one signer": Profile(("guardian-1",)),
    "one signer, RSA, pictures": Profile(("guardian-1",), rsa=True, with_pictures=True),
    "three signers, pictures": Profile(("guardian-1", "guardian-2", "student-1"), with_pictures=True),
    "three signers, RSA": Profile(("guardian-1", "guardian-2", "student-1"), rsa=True),
}


@cache
def laid_out(signers: int) -> bytes:
    return contract_pdf(minor(guardians=signers), "zh")


@cache
def contract(profile: str, engine: str) -> FinishedParts:
    """Return a contract by one engine. The test fails if our own engine would leave a step to pyHanko."""
    asked = PROFILES[profile]
    more: dict[str, Any] = {"make_key": RsaKey} if asked.rsa else {}
    if asked.with_pictures:
        more["appearances"] = pictures()
    folder = Path(tempfile.mkdtemp(prefix="pades-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    document = laid_out(len(asked.signers))
    made = finished_contract(folder, signers=asked.signers, document=document, engine=ENGINES[engine], **more)
    with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop
        return thread.submit(asyncio.run, made).result()


def fields_of(profile: str) -> list[str]:
    return [*PROFILES[profile].signers, SEAL]
