"""The PIN of a token: from a variable or a file, or entered by a person at the start; and whether it was refused."""

from __future__ import annotations

import getpass
import hashlib
import sys
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from hub.errors import TokenUnavailable

PROMPT: Final = Path("prompt")
# The folder of PinRefusal in the data folder.
REFUSED_PINS: Final = "refused-pins"
_MISSING: Final = "no PIN is configured: set QIANDA_TOKEN__PIN, or token.pin_file (a file, or `prompt`)"


def read_pin(file: Path | None, token: str) -> str:
    """Return the PIN in the file, or the one that is entered for `prompt`. Raises TokenUnavailable if there is none."""
    if file is None:
        raise TokenUnavailable(_MISSING)
    if file == PROMPT:
        return _entered(token)
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise TokenUnavailable(f"the PIN of the token {token!r} cannot be read: {error}") from error


@cache
def _entered(token: str) -> str:
    """Ask for the PIN, only once per process even if it is wrong, because tokens lock themselves after a few tries."""
    if not sys.stdin.isatty():
        raise TokenUnavailable(f"the PIN of the token {token!r} is to be entered, and nobody is at a terminal")
    return getpass.getpass(f"PIN of the token {token!r}: ").strip()


@dataclass(frozen=True)
class PinRefusal:
    """Whether a token has refused this PIN, which all processes with the same data folder then know.

    A token locks itself after a few wrong PINs. Web, workers and commands would each use up one try, and so would each
    restart of a process that ends because of the wrong PIN.
    """

    folder: Path
    token: str
    pin: str = field(repr=False)

    @cached_property
    def file(self) -> Path:
        """The file that exists if the PIN was refused. Its name is a slow hash, so that it does not reveal the PIN."""
        salt = f"refused PIN of {self.token}".encode()
        return self.folder / hashlib.scrypt(self.pin.encode(), salt=salt, n=2**14, r=8, p=1, dklen=16).hex()

    def is_known(self) -> bool:
        # As long as no PIN was refused, there is no folder, and no process pays for the slow hash at its start.
        return self.folder.exists() and self.file.exists()

    def note(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.file.touch(mode=0o600)
