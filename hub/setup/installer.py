"""What the set-up page needs from the commands: install the answers, and a certificate for the seal's key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hub.setup.answers import SetupAnswers


@dataclass(frozen=True)
class SetupResult:
    """An installed school. `password`: that of the first account, if it was generated now. `request`: PKCS#10 (PEM) for
    the seal's key, if a certificate has to be requested. `seal`, `missing`: sentences for people."""

    origin: str
    login: str
    password: str = ""
    request: bytes = b""
    seal: Sequence[str] = field(default=())
    missing: Sequence[str] = field(default=())


class SetupInstaller(Protocol):
    """The acts of an installation. Both take seconds, and run in a thread."""

    def install(self, answers: SetupAnswers, tell: Callable[[str], None]) -> SetupResult:
        """Install the school. `tell` reports each step. Raises BadInput with every fault, and any QiandaError."""

    def install_certificate(self, files: Sequence[tuple[str, bytes]]) -> Sequence[str]:
        """Install a certificate for the seal's key, with those above it. Return sentences about the seal afterwards.

        Raises as `hub.seal_setup.install_seal` does; then nothing was changed.
        """
