"""Sealed columns: AES-256-GCM with a random nonce in front, and keyed hashes by which sealed values are found."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.model.contract.signer import DECLARED
from hub.store.kernel.keys import Keys

NONCE_BYTES = 12


class Cipher:
    def __init__(self, keys: Keys) -> None:
        self._aead = AESGCM(keys.columns)
        self._lookup = keys.lookup

    def seal(self, value: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value.encode(), None)

    def open(self, sealed: bytes) -> str:
        return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None).decode()

    def seal_json(self, value: Any) -> bytes:
        return self.seal(json.dumps(value, ensure_ascii=False, sort_keys=True))

    def opens(self, sealed: bytes) -> bool:
        """Whether it was sealed under our key, and is as it was then."""
        try:
            self.open(sealed)
        except (InvalidTag, ValueError):
            return False
        return True

    def open_json(self, sealed: bytes) -> Any:
        return json.loads(self.open(sealed))

    def found_by(self, kind: str, value: str) -> bytes:
        """A keyed hash of a value of one kind (`phone`, `person`, `id-tail`): the same value has the same hash."""
        return hmac.digest(self._lookup, f"{kind}:{value}".encode(), hashlib.sha256)

    def person(self, id_type: str, id_number: str) -> str:
        """The same person in every contract, without saying who."""
        return self.found_by("person", f"{id_type}:{id_number.upper()}").hex()

    def declared(self, person: str, phone: str) -> str:
        """Whoever says at this phone (E.164) that they are `person`: the same in every contract, and not the person."""
        said = person.encode() + self.found_by("phone", phone)
        return DECLARED + hashlib.sha256(said).hexdigest()
