"""Android Key Attestation: the device's secure hardware states that it holds a key, and what the key is for.

    [attestations.android_key]
    roots = ["/etc/qianda/attestation/google.pem"]
    status_url = "https://android.googleapis.com/attestation/status"
    [[attestations.android_key.apps]]
    package = "example.school.app"
    fingerprints = ["00:11:…"]                      # SHA-256 of the certificates that sign the app

Sources: "Verify hardware-backed key pairs with key attestation" (developer.android.com), and the schema in
`key_description`. The statement's challenge is our own `key_challenge`, so it was made in this very session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from asn1crypto import x509
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from channels.applink import checked_fingerprint, checked_package
from hub.attestations import (
    AttestationContext,
    Attested,
    Attestor,
    Level,
    NotAttested,
    Statement,
    Verdict,
    key_description,
)
from hub.attestations.chains import extension, leads_to, read_chain, read_roots
from hub.attestations.key_description import Authorizations, KeyDescription
from hub.attestations.status_list import StatusList
from hub.rest_mapping import read_options

FORMAT: Final = "android-key"
SIGN, VERIFY = 2, 3
SHA256, GENERATED = 4, 0
Fingerprint = Annotated[str, AfterValidator(checked_fingerprint)]


class AppOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    package: Annotated[str, AfterValidator(checked_package)]
    fingerprints: list[Fingerprint] = Field(min_length=1)


class AndroidKeyOptions(BaseModel):
    """Options of Android Key Attestation.

    `roots`: PEM files with Google's roots, which are public. `status_url` or `status_file`: Google's list of revoked
    keys; without both revocation is not checked. `deadline`: seconds. `boot_states`, `locked`: the required state of
    the device's bootloader; if it is not `verified` and locked, the device runs a system that Google does not know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    roots: list[Path] = Field(min_length=1)
    apps: list[AppOptions] = Field(min_length=1)
    status_url: str = Field("", pattern=r"^(https?://[^#@]+)?$")
    status_file: Path | None = None
    deadline: float = Field(default=5, gt=0, le=60)
    boot_states: list[str] = Field(default_factory=lambda: ["verified"], min_length=1)
    locked: bool = True

    @model_validator(mode="after")
    def _one_list(self) -> AndroidKeyOptions:
        if self.status_url and self.status_file:
            raise ValueError("give status_url or status_file")
        return self


def connect(options: Mapping[str, Any], context: AttestationContext) -> Attestor:
    """Return the attestor. Raises ValueError that names the option."""
    read = read_options(AndroidKeyOptions, options, f"attestations.{context.name}")
    try:
        return AndroidKey(read, context)
    except ValueError as error:
        raise ValueError(f"attestations.{context.name}.roots: {error}") from None


class AndroidKey:
    format = FORMAT

    def __init__(self, options: AndroidKeyOptions, context: AttestationContext) -> None:
        self._options, self._context = options, context
        self._roots = read_roots(options.roots)
        self._apps = {
            each.package: {bytes.fromhex(one.replace(":", "")) for one in each.fingerprints} for each in options.apps
        }
        self._status = StatusList(options.status_url, options.status_file, options.deadline, context)

    async def check(self, statement: Statement, spki: bytes, challenge: bytes) -> Verdict:
        chain = await asyncio.to_thread(read_chain, statement.chain)
        if chain is None:
            return NotAttested(("chain-unreadable",))
        try:
            description = _description(chain)
        except ValueError:
            return NotAttested(("description-unreadable",))
        against = list(self.faults(description, challenge))
        if chain[0].public_key.dump() != spki:
            against.append("another-key")
        if not await leads_to(self._roots, chain, self._context.clock()):
            against.append("chain-not-trusted")
        elif revoked := await self._status.of([each.serial_number for each in chain]):
            against.append(revoked)
        if against:
            return NotAttested(tuple(against))
        return Attested("android", description.packages[0], _level(description))

    def faults(self, description: KeyDescription, challenge: bytes) -> Iterator[str]:
        """Yield what is wrong in the statement itself, in single words."""
        if description.challenge != challenge:
            yield "another-challenge"
        if "software" in (description.level, description.keystore_level):
            yield "not-in-hardware"
        yield from _key_faults(description.hardware)
        yield from _person_faults(description)
        yield from self._device_faults(description.hardware)
        yield from self._app_faults(description)

    def _device_faults(self, hardware: Authorizations) -> Iterator[str]:
        root = hardware.get(key_description.ROOT_OF_TRUST) or {}
        if root.get("boot_state") not in self._options.boot_states:
            yield "boot-state"
        if self._options.locked and root.get("locked") is not True:
            yield "bootloader-unlocked"

    def _app_faults(self, description: KeyDescription) -> Iterator[str]:
        """Yield a fault unless every app that the system names is ours and signed only by us."""
        packages, signers = description.packages, set(description.signers)
        known = [self._apps.get(package, set()) for package in packages]
        if not packages or not signers or any(not signers <= ours for ours in known):
            yield "another-app"
        if any(key_description.ALL_APPLICATIONS in each for each in (description.software, description.hardware)):
            yield "for-all-apps"


def _description(chain: list[x509.Certificate]) -> KeyDescription:
    """Return the key description, which only the first certificate may contain.

    Otherwise a holder of an attested key could issue certificates below it. Raises ValueError.
    """
    found = [extension(certificate, key_description.OID) for certificate in chain]
    if found[0] is None or any(each is not None for each in found[1:]):
        raise ValueError("the key description stands in the certificate of the key, and nowhere else")
    return key_description.read(found[0])


def _key_faults(hardware: Authorizations) -> Iterator[str]:
    purposes = set(hardware.get(key_description.PURPOSE) or ())
    if SIGN not in purposes or not purposes <= {SIGN, VERIFY}:
        yield "purpose"
    if SHA256 not in (hardware.get(key_description.DIGEST) or ()):
        yield "digest"
    if hardware.get(key_description.ORIGIN) != GENERATED:
        yield "not-made-there"


def _person_faults(description: KeyDescription) -> Iterator[str]:
    """Yield faults unless the hardware asks the person for each signature. A period in which one confirmation covers
    several signatures is too long."""
    lists = (description.software, description.hardware)
    if any(key_description.NO_AUTH_REQUIRED in each for each in lists):
        yield "asks-nobody"
    if not description.hardware.get(key_description.USER_AUTH_TYPE):
        yield "no-user-verification"
    if any(key_description.AUTH_TIMEOUT in each or key_description.ALLOW_WHILE_ON_BODY in each for each in lists):
        yield "not-asked-each-time"


def _level(description: KeyDescription) -> Level:
    both = {description.level, description.keystore_level}
    return Level.STRONGBOX if both == {Level.STRONGBOX.value} else Level.TEE
