"""Read the hub's address and the path of the PKCS#11 module, typed or pinned in the person's own file.

A page cannot choose the hub: if the person is told to type an address other than the pinned one, it is refused.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from qianda.agent.words import AgentTrouble
from qianda.wire import origin_of

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Pinned:
    """The values in the file. A value is empty if the file does not contain it, or if there is no such file."""

    file: Path
    origin: str = ""
    module: str = ""


def usual_file() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or str(Path.home() / ".config")
    return Path(folder) / "qianda" / "agent.toml"


def read_pinned(file: Path) -> Pinned:
    """Read `origin = "https://…"` and `module = "…"` from the file. Raises AgentTrouble for an unreadable file."""
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Pinned(file)
    except (OSError, ValueError) as error:
        raise AgentTrouble("bad-config", file=str(file), why=str(error)) from error
    if unknown := values.keys() - {"origin", "module"}:
        raise AgentTrouble("bad-config", file=str(file), why=", ".join(sorted(unknown)))
    return Pinned(file, str(values.get("origin", "")), str(values.get("module", "")))


def checked_origin(text: str) -> str:
    """Return the typed address as a browser writes an origin.

    Raises AgentTrouble unless the address is only an origin, with HTTPS (or HTTP on this machine).
    """
    typed = text.strip().rstrip("/")
    try:
        parts = urlsplit(typed)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        bare = not (parts.path or parts.query or parts.fragment or parts.username) and bool(parts.hostname)
        origin = origin_of(typed)
    except ValueError:
        raise AgentTrouble("bad-origin", origin=text) from None
    if not safe or not bare:
        raise AgentTrouble("bad-origin", origin=text)
    return origin


def chosen_origin(typed: str, pinned: Pinned) -> str:
    """Return the hub's origin, empty if it is neither typed nor pinned. Raises AgentTrouble if both are given and
    differ."""
    if not pinned.origin:
        return checked_origin(typed) if typed else ""
    known = checked_origin(pinned.origin)
    if typed and checked_origin(typed) != known:
        raise AgentTrouble("other-origin", pinned=known, origin=typed, file=str(pinned.file))
    return known
