"""An SM2 key in software: in the memory of this process, and stored in an encrypted column of the database.

The PKCS#11 standard has no SM2, so this key seals OFD files until a vendor's module is configured (`sm2_pkcs11.py`).
Anybody who can read this process's memory has the key; `custody` says "software" wherever the key is shown.
"""

from __future__ import annotations

from typing import Final

from hub.tokens import SignsEach
from qianda import sm2


class Sm2SoftKey(SignsEach):
    """An SM2 key held in software."""

    custody: Final = "software"

    def __init__(self, label: str, private_key: bytes, point: bytes) -> None:
        self.label = label
        self.spki = sm2.write_spki(point)
        self._private_key = private_key
        self._sign = sm2.engine().signer(private_key, point)

    def __repr__(self) -> str:
        return f"Sm2SoftKey({self.label!r})"

    @classmethod
    def generate(cls, label: str) -> Sm2SoftKey:
        """Return a new key. Raises NoSm2."""
        return cls(label, *sm2.engine().generate())

    async def sign(self, message: bytes) -> bytes:
        """Return an SM2 signature with SM3 in DER, for the usual signer ID (GB/T 35276, 10)."""
        return self._sign(message)

    async def check(self) -> None:
        """Do nothing: a key in memory can always sign."""

    @property
    def private_key(self) -> bytes:
        """The key itself, to be stored encrypted (`hub.store.sealing.sm2_seals`)."""
        return self._private_key
