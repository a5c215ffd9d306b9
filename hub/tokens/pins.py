"""The PIN of a token: from a variable or a file, or entered by a person at the start of a command."""

from __future__ import annotations

import getpass
import sys
from functools import cache
from pathlib import Path
from typing import Final

from hub.errors import TokenUnavailable

PROMPT: Final = Path("prompt")
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
    """Ask once per process. After a wrong PIN it is not asked again, because tokens lock themselves after a few."""
    if not sys.stdin.isatty():
        raise TokenUnavailable(f"the PIN of the token {token!r} is to be entered, and nobody is at a terminal")
    return getpass.getpass(f"PIN of the token {token!r}: ").strip()
