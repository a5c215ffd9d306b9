"""An SM2 key in software: in the memory of this process, and encrypted at rest.

No PKCS#11 standard has SM2, so this is what seals OFD files until a vendor's module is configured (`sm2_pkcs11.py`).
Whoever can read this process's memory has the key: `custody` says "software" wherever the key is shown.
"""

from __future__ import annotations

import base64
import json
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hub.errors import TokenUnavailable
from qianda import sm2

KIND: Final = "sm2-software-key"
# scrypt with 32 MiB: a guess at the passphrase costs a tenth of a second (RFC 7914, 2).
_COST, _BLOCK, _PARALLEL = 1 << 15, 8, 1
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32
MIN_PASSPHRASE_BYTES: Final = 12


class Sm2SoftKey:
    """An SM2 key held in software."""

    custody: Final = "software"

    def __init__(self, label: str, private_key: bytes, point: bytes) -> None:
        self.label = label
        self.spki = sm2.write_spki(point)
        self._private_key, self._point = private_key, point
        self._sign = sm2.engine().signer(private_key, point)

    def __repr__(self) -> str:
        return f"Sm2SoftKey({self.label!r})"

    @classmethod
    def generate(cls, label: str) -> Sm2SoftKey:
        """Return a new key. Raises NoSm2."""
        return cls(label, *sm2.engine().generate())

    async def sign(self, message: bytes) -> bytes:
        """Return an SM2 signature with SM3 in DER, for the signer's ID that everybody uses (GB/T 35276, 10)."""
        return self._sign(message)

    async def check(self) -> None:
        """Do nothing: a key in memory can always sign."""

    def encrypt(self, passphrase: bytes) -> bytes:
        """Return the key as a file (JSON) that only the passphrase opens. Raises ValueError for a short passphrase."""
        if len(passphrase) < MIN_PASSPHRASE_BYTES:
            raise ValueError(f"a passphrase has at least {MIN_PASSPHRASE_BYTES} bytes")
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        # The public half and the label are bound to the ciphertext: nobody can put the key under another name.
        sealed = _cipher(passphrase, salt).encrypt(nonce, self._private_key, _bound(self.label, self.spki))
        parts = {"salt": salt, "nonce": nonce, "sealed": sealed, "spki": self.spki}
        encoded = {name: base64.b64encode(value).decode() for name, value in parts.items()}
        return json.dumps({"kind": KIND, "label": self.label, **encoded}, ensure_ascii=False).encode()

    @classmethod
    def decrypt(cls, file: bytes, passphrase: bytes) -> Sm2SoftKey:
        """Return the key in a file of `encrypt`. Raises TokenUnavailable if the passphrase is wrong or the file
        damaged."""
        try:
            said = json.loads(file)
            if said["kind"] != KIND:
                raise ValueError("another kind of file")
            parts = {name: base64.b64decode(said[name], validate=True) for name in ("salt", "nonce", "sealed", "spki")}
            cipher, bound = _cipher(passphrase, parts["salt"]), _bound(said["label"], parts["spki"])
            private_key = cipher.decrypt(parts["nonce"], parts["sealed"], bound)
            point = sm2.read_spki(parts["spki"])
        except (ValueError, KeyError, TypeError, InvalidTag) as error:
            raise TokenUnavailable("the SM2 software key does not open: wrong passphrase, or a damaged file") from error
        if point is None:
            raise TokenUnavailable("the SM2 software key does not open: no SM2 key in it")
        return cls(said["label"], private_key, point)


def _cipher(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt, _KEY_BYTES, _COST, _BLOCK, _PARALLEL).derive(passphrase))


def _bound(label: str, spki: bytes) -> bytes:
    return KIND.encode() + b"\0" + label.encode() + b"\0" + spki
