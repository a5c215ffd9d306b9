"""The school's app, played by the client library: a key in this process's memory, and platforms that attest it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from qianda.holder import SoftwareKey
from tests.attestations.platforms import APPLE_APP, FINGERPRINT, PACKAGE, AppAttestService, Keystore, new_key
from tests.running import Running, running_hub

Speaks = Callable[[ec.EllipticCurvePublicKey, bytes], Mapping[str, Any]]


class AppKey(SoftwareKey):
    """The key of an app on one device. It is used in several sessions; its platform attests it once, when it is new.
    `said`: every statement that was made."""

    custody = "app-keystore"

    def __init__(self, platform: Speaks | None = None, device: str = "Test phone") -> None:
        self.private = new_key()
        super().__init__(self.private)
        self.device = device
        self.said: list[dict[str, Any]] = []
        self._platform = platform

    def attestation(self, challenge: bytes) -> dict[str, Any] | None:
        if self._platform is None or self.said:
            return None
        self.said.append(dict(self._platform(self.private.public_key(), challenge)))
        return self.said[-1]


class Saying(AppKey):
    """A key that presents a statement which was made earlier."""

    def __init__(self, statement: Mapping[str, Any], device: str = "Test phone") -> None:
        super().__init__(lambda *_: statement, device)


@dataclass(frozen=True)
class Platforms:
    """Two platforms that attest keys, and the settings of a hub that trusts their roots."""

    keystore: Keystore
    app_attest: AppAttestService
    trusted: Mapping[str, Any]

    @classmethod
    def in_folder(cls, folder: Path) -> Platforms:
        keystore, app_attest = Keystore(), AppAttestService()
        apps = [{"package": PACKAGE, "fingerprints": [FINGERPRINT]}]
        android = {"roots": [str(keystore.write_root(folder))], "apps": apps}
        apple = {"roots": [str(app_attest.write_root(folder))], "apps": [APPLE_APP]}
        return cls(keystore, app_attest, {"attestations": {"android_key": android, "app_attest": apple}})


@dataclass(frozen=True)
class Phones:
    """A hub, and the two platforms whose roots it trusts."""

    running: Running
    platforms: Platforms

    @property
    def keystore(self) -> Keystore:
        return self.platforms.keystore

    @property
    def app_attest(self) -> AppAttestService:
        return self.platforms.app_attest

    def android(self, device: str = "Android phone") -> AppKey:
        return AppKey(self.keystore.statement, device)

    def iphone(self, device: str = "iPhone") -> AppKey:
        return AppKey(self.app_attest.statement, device)


@contextlib.asynccontextmanager
async def hub_with_an_app(folder: Path, templates: Path | None = None, **more: Any) -> AsyncIterator[Phones]:
    """Run a hub that trusts both platforms.

    `templates`: contract templates instead of the project's. `more`: further settings, as a configuration file would
    contain them.
    """
    platforms = Platforms.in_folder(folder)
    async with running_hub(configured={**platforms.trusted, **more}, templates=templates) as running:
        yield Phones(running, platforms)
