"""Genuine contracts of every kind that the product makes, with what each signer was asked to sign on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.documents.stamps import signature_stamp
from qianda.confirmation import packed
from qianda.passkey_binding import PasskeyBinding
from qianda.pdf import read_revisions
from tests.browser.update_files import Case
from tests.documents.contract_samples import adult, contract_pdf, minor
from tests.passkeys.authenticator import ORIGIN, Authenticator
from tests.signing_parts import SEAL, FinishedParts, RsaKey, finished_contract
from tests.verify.insider import gap_at

KINDS: dict[str, tuple[str, ...]] = {
    "one signer": ("guardian-1",),
    "three signers": ("guardian-1", "guardian-2", "representative-1"),
    "English": ("student-1",),
    "passkey": ("guardian-1",),
    "RSA token": ("guardian-1", "guardian-2"),
    "pictures": ("guardian-1", "student-1"),
}


@dataclass(frozen=True)
class Genuine:
    """`cases`: the shown and the prepared file of each signature, the seal's too."""

    kind: str
    services: FinishedParts

    @property
    def fields(self) -> list[str]:
        return [*KINDS[self.kind], SEAL]

    @property
    def shown(self) -> bytes:
        return self.services.revisions["unsigned"]

    @property
    def laid_out(self) -> bytes:
        """The document that was shown, but for its signature fields."""
        return self.shown[: read_revisions(self.shown)[0].end]

    @property
    def cases(self) -> list[Case]:
        before = [self.shown, *(self.services.revisions[f"{name}-validated"] for name in KINDS[self.kind])]
        signed = [self.services.revisions[f"{name}-signed"] for name in self.fields]
        return [
            Case(f"{self.kind}, {name}", shown, emptied(file, len(shown)))
            for name, shown, file in zip(self.fields, before, signed, strict=True)
        ]


async def genuine(kind: str, folder: Path) -> Genuine:
    signers = KINDS[kind]
    language = "en" if kind == "English" else "zh"
    data = adult() if kind == "English" else minor(guardians=len(signers))
    more: dict[str, Any] = {"document": contract_pdf(data, language)}
    if kind == "passkey":
        device = Authenticator()
        more["bindings"] = {signers[0]: PasskeyBinding.to(device.public_key, ORIGIN)}
        more["confirmed"] = {signers[0]: lambda attributes: packed(device.public_key, device.confirm(attributes))}
    if kind == "RSA token":
        more["make_key"] = RsaKey
    if kind == "pictures":
        more["appearances"] = {name: signature_stamp("王小明", None, "2026-12-01", language) for name in signers}
    return Genuine(kind, await finished_contract(folder, signers=signers, **more))


def emptied(signed: bytes, start: int) -> bytes:
    """The file as it was prepared: the signature that was added behind `start` is not there yet."""
    at, end = gap_at(signed, start)
    return signed[: at + 1] + b"0" * (end - at - 2) + signed[end - 1 :]
