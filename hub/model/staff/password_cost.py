"""The cost of hashing a password, for the hub and for an attacker who tries passwords on a stolen hash."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PasswordCost:
    """The cost of a password's hash by Argon2id: passes over a memory in KiB, which is divided into lanes.

    By default a fifth of a second and 64 MiB: the second recommended option of RFC 9106, section 4.
    """

    passes: int = 3
    memory: int = 65_536
    lanes: int = 4
