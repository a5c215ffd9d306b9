"""Genuine contracts of every kind that the product makes, with what each signer was asked to sign on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

from hub.authorities.revocation import RevocationClient
from hub.documents.signing.stamps import SignerStamp, seal_stamp, signature_stamp
from hub.plugins import seal_key
from hub.tokens import TokenContext
from qianda.confirmation import packed
from qianda.passkey_binding import PasskeyBinding
from tests.authorities.certomancer_pki import CertomancerPki
from tests.browser.update_files import Case
from tests.documents.contract_samples import adult, contract_pdf, minor
from tests.passkeys.authenticator import ORIGIN, Authenticator
from tests.pdf_steps import close
from tests.signing_parts import (
    SEAL,
    FinishedParts,
    RsaKey,
    finished_contract,
    pki_certificates,
    sign,
    utc_now,
)
from tests.tokens.csc_service import PIN, CscService
from tests.verify.insider import gap_at

KINDS: dict[str, tuple[str, ...]] = {
    "one signer": ("guardian-1",),
    "three signers": ("guardian-1", "guardian-2", "representative-1"),
    "English": ("student-1",),
    "passkey": ("guardian-1",),
    "RSA token": ("guardian-1", "guardian-2"),
    "pictures": ("guardian-1", "student-1"),
    "CSC seal": ("guardian-1",),
}

# Size of the fields in `signing_parts`.
SIZE = (150.0, 60.0)


@cache
def pictures() -> dict[str, bytes]:
    """Return the pictures by field: a printed name, a name drawn by hand, and the school's seal."""
    return {
        "guardian-1": signature_stamp(SignerStamp("王小明", None, "2026-12-01", "zh"), SIZE),
        "student-1": signature_stamp(
            SignerStamp("李雷", [[(0.1, 0.2), (0.5, 0.9), (0.9, 0.3)]], "2026-12-02", "zh"), SIZE
        ),
        SEAL: seal_stamp("示范学校", 120.0),
    }


@dataclass(frozen=True)
class Genuine:
    """A genuine contract. `cases`: the shown and the prepared file of each signature, including the seal's."""

    kind: str
    parts: FinishedParts

    @property
    def fields(self) -> list[str]:
        return [*KINDS[self.kind], SEAL]

    @property
    def shown(self) -> bytes:
        return self.parts.revisions["unsigned"]

    @property
    def pictures(self) -> dict[str, bytes]:
        """The pictures that the fields show, by field."""
        shown = {"pictures": self.fields, "CSC seal": [SEAL]}.get(self.kind, [])
        return {field: pictures()[field] for field in shown}

    @property
    def cases(self) -> list[Case]:
        before = [self.shown, *(self.parts.revisions[f"{name}-validated"] for name in KINDS[self.kind])]
        signed = [self.parts.revisions[f"{name}-signed"] for name in self.fields]
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
        more["appearances"] = pictures()
    if kind == "CSC seal":
        signed = await finished_contract(folder, signers=signers, with_seal=False, closed=False, **more)
        return Genuine(kind, await sealed_by_a_service(folder, signed))
    return Genuine(kind, await finished_contract(folder, signers=signers, **more))


async def sealed_by_a_service(folder: Path, signed: FinishedParts) -> FinishedParts:
    """Seal a contract with a key at a signing service (CSC).

    The seal's certificate is from an outside authority, which confirms by CRL and by OCSP that it is valid.
    """
    authority, pki = CertomancerPki(folder / "elsewhere"), signed.pki
    async with authority.serving():
        authority.add_key(SEAL, "示范学校")
        async with CscService(authority, pin=PIN).serving() as service, aiohttp.ClientSession() as http:
            key = await seal_key(service.options(2, SEAL, pin=PIN), TokenContext(http))
            assert key is not None
            sealed = await sign(signed.final, SEAL, key, key.certificates, pki, final=True, appearance=pictures()[SEAL])
            said = await RevocationClient(http, utc_now).of(key.certificates)
    lists = [await pki.authority.revocation_list([]), *said.lists]
    final = await close(sealed, pki.timestamps, [*pki_certificates(pki), *key.certificates], lists, said.answers)
    with signed.trust_pem.open("ab") as trusted:
        trusted.write(authority.write("root", SEAL).read_bytes())
    return replace(signed, final=final, revisions=signed.revisions | {f"{SEAL}-signed": sealed, "final": final})


def emptied(signed: bytes, start: int) -> bytes:
    """Return the file as it was prepared, without the signature that was added after `start`."""
    at, end = gap_at(signed, start)
    return signed[: at + 1] + b"0" * (end - at - 2) + signed[end - 1 :]
