"""Encryption of columns (AES-256-GCM, with a random nonce in front), and keyed hashes to find encrypted values by."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import zlib
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.model.contract.signer import DECLARED
from hub.store.kernel.keys import Keys

NONCE_BYTES = 12
# Bytes of JSON from which on it is packed (RFC 1950), and how thoroughly.
PACKED_FROM = 512
PACKING_LEVEL = 9
# With this byte begins what `zlib` packs, and no JSON text.
PACKED = b"\x78"


class Cipher:
    def __init__(self, keys: Keys) -> None:
        self._aead = AESGCM(keys.columns)
        self._lookup = keys.lookup

    def seal(self, value: str) -> bytes:
        return self.seal_bytes(value.encode())

    def seal_bytes(self, value: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, None)

    def open_bytes(self, sealed: bytes) -> bytes:
        return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)

    def open(self, sealed: bytes) -> str:
        return self.open_bytes(sealed).decode()

    def seal_json(self, value: Any) -> bytes:
        """Encrypt a value as JSON. A long one is packed first: the text of a contract becomes a quarter."""
        text = json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
        return self.seal_bytes(text if len(text) < PACKED_FROM else zlib.compress(text, PACKING_LEVEL))

    def opens(self, sealed: bytes) -> bool:
        """Return whether this value was encrypted with the hub's key and is unchanged."""
        try:
            self.open(sealed)
        except (InvalidTag, ValueError):
            return False
        return True

    def open_json(self, sealed: bytes) -> Any:
        text = self.open_bytes(sealed)
        return json.loads(zlib.decompress(text) if text.startswith(PACKED) else text)

    def found_by(self, kind: str, value: str) -> bytes:
        """Return the keyed hash of a value of one kind (`phone`, `person`, `id-tail`): equal values have equal
        hashes."""
        return hmac.digest(self._lookup, f"{kind}:{value}".encode(), hashlib.sha256)

    def person(self, id_type: str, id_number: str) -> str:
        """Return the hash (hex) of an identity document, the same in every contract of the person."""
        return self.found_by("person", f"{id_type}:{id_number.upper()}").hex()

    def declared(self, person: str, phone: str) -> str:
        """Return the id of someone who claims at this phone (E.164) to be `person`. It is the same in all contracts of
        this phone and claim, and differs from `person`."""
        said = person.encode() + self.found_by("phone", phone)
        return DECLARED + hashlib.sha256(said).hexdigest()
