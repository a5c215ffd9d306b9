"""Encrypt columns (AES-256-GCM), and compute keyed hashes by which encrypted values are found.

A bound value consists of `QS1`, the id of its key (8 bytes), a random nonce (12 bytes), and the ciphertext with its
tag; the name of its row and column is authenticated with it. An unbound value, as earlier versions wrote it, consists
of nonce and ciphertext only, and is encrypted with the first key.

The database says which key is current, and each transaction tells the cipher. If earlier versions have written to the
database, no key is current before the first `qianda keys rotate`, and values are written unbound. So old and new
processes can use the same database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.model.contract.signer import DECLARED
from hub.store.encryption.keys import KEY_ID_BYTES, Keys, key_id_of
from hub.store.encryption.packing import pack, unpack

NONCE_BYTES = 12
BOUND = b"QS1"
PREFIX_BYTES = len(BOUND) + KEY_ID_BYTES


@dataclass(frozen=True)
class EncryptionState:
    """What the database says: the id (hex) of the current key, empty for none, and whether to refuse unbound values."""

    current: str = ""
    refuses_unbound: bool = False


class Cipher:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._first = AESGCM(keys.columns)
        self._opened = {key_id_of(keys.columns): self._first}
        self._lookup = keys.lookup
        self.state = EncryptionState()

    def observe(self, current: str, refuses_unbound: bool) -> None:
        """Remember what the database says: which key is current, and whether to refuse unbound values."""
        if (current, refuses_unbound) != (self.state.current, self.state.refuses_unbound):
            self.state = EncryptionState(current, refuses_unbound)

    def encrypt(self, value: str, name: bytes) -> bytes:
        """Encrypt a text. `name`: see `EncryptedColumn.at`."""
        return self.encrypt_bytes(value.encode(), name)

    def encrypt_bytes(self, value: bytes, name: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        if not self.state.current:
            return nonce + self._first.encrypt(nonce, value, None)
        key = bytes.fromhex(self.state.current)
        return BOUND + key + nonce + self._key(key).encrypt(nonce, value, name)

    def decrypt_bytes(self, encrypted: bytes, name: bytes) -> bytes:
        """Decrypt a value. Raises InvalidTag if it was changed, is of another row or column, or its key is missing."""
        if encrypted.startswith(BOUND) and (aead := self._find(encrypted[len(BOUND) : PREFIX_BYTES])):
            body = encrypted[PREFIX_BYTES:]
            return aead.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], name)
        if self.state.refuses_unbound:
            raise InvalidTag
        return self._first.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], None)

    def decrypt(self, encrypted: bytes, name: bytes) -> str:
        return self.decrypt_bytes(encrypted, name).decode()

    def encrypt_json(self, value: Any, name: bytes) -> bytes:
        """Encrypt a value as JSON. A long text is compressed first."""
        return self.encrypt_bytes(pack(json.dumps(value, ensure_ascii=False, sort_keys=True)), name)

    def can_decrypt(self, encrypted: bytes, name: bytes) -> bool:
        """Return whether this value was encrypted for this row and column with a key of the hub, and is unchanged."""
        try:
            self.decrypt_bytes(encrypted, name)
        except (InvalidTag, ValueError):
            return False
        return True

    def decrypt_json(self, encrypted: bytes, name: bytes) -> Any:
        """Return the value. Raises InvalidTag, ValueError."""
        return json.loads(unpack(self.decrypt_bytes(encrypted, name)))

    def _key(self, key: bytes) -> AESGCM:
        if found := self._find(key):
            return found
        raise InvalidTag(f"the key {key.hex()} is missing in the folder keys")

    def _find(self, key: bytes) -> AESGCM | None:
        """Return a key by its id, or None. If it is new since the start of this process, it is read from its file."""
        if key not in self._opened:
            self._opened |= {key_id_of(each): AESGCM(each) for each in self._keys.list_encryption_keys()}
        return self._opened.get(key)

    # ---- keyed hashes. They have a key of their own, which does not change when the encryption keys change

    def found_by(self, kind: str, value: str) -> bytes:
        """Return the keyed hash of a value of one kind (`phone`, `person`, `id-tail`). Equal values hash alike."""
        return hmac.digest(self._lookup, f"{kind}:{value}".encode(), hashlib.sha256)

    def person(self, id_type: str, id_number: str) -> str:
        """Return the hash (hex) of an identity document, the same in every contract of the person."""
        return self.found_by("person", f"{id_type}:{id_number.upper()}").hex()

    def declared(self, person: str, phone: str) -> str:
        """Return the id of somebody at this phone (E.164) who claims to be `person`. It is the same in all contracts
        with this phone and claim, and differs from `person`."""
        said = person.encode() + self.found_by("phone", phone)
        return DECLARED + hashlib.sha256(said).hexdigest()
