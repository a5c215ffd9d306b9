"""What the set-up page needs of the commands: to install what was answered, and a certificate for the seal's key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hub.setup.answers import SetupAnswers


@dataclass(frozen=True)
class SetupResult:
    """A school that was installed. `password`: of the first account, where it was made up now. `request`: PKCS#10 (PEM)
    for the seal's key, where a certificate is to be asked for. `seal`, `missing`: sentences for people."""

    origin: str
    login: str
    password: str = ""
    request: bytes = b""
    seal: Sequence[str] = field(default=())
    missing: Sequence[str] = field(default=())


class SetupInstaller(Protocol):
    """Both take seconds, and run in a thread."""

    def install(self, answers: SetupAnswers, tell: Callable[[str], None]) -> SetupResult:
        """Install the school, and say each step by `tell`. Raises BadInput with every fault, and any QiandaError."""

    def install_certificate(self, files: Sequence[tuple[str, bytes]]) -> Sequence[str]:
        """Take a certificate for the seal's key, with those above it; return what is said of the seal then.

        Raises what `hub.seal_setup.install_seal` raises, having changed nothing.
        """
