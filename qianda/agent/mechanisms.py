"""Choose a token's mechanism for the signature, and its input (PKCS#11 v2.40, RFC 8017)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from pkcs11 import KeyType, Mechanism

from qianda.agent.words import AgentTrouble

_DIGEST_INFO_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True)
class SigningMechanism:
    """A way to have a token sign. `raw`: the token signs a hash that is computed here; otherwise it computes the hash
    itself."""

    mechanism: Mechanism
    raw: bool

    def given(self, message: bytes) -> bytes:
        if not self.raw:
            return message
        digest = hashlib.sha256(message).digest()
        return _DIGEST_INFO_SHA256 + digest if self.mechanism is Mechanism.RSA_PKCS else digest


_WAYS = {
    KeyType.EC: (SigningMechanism(Mechanism.ECDSA_SHA256, raw=False), SigningMechanism(Mechanism.ECDSA, raw=True)),
    KeyType.RSA: (
        SigningMechanism(Mechanism.SHA256_RSA_PKCS, raw=False),
        SigningMechanism(Mechanism.RSA_PKCS, raw=True),
    ),
}


def ways_for(kind: KeyType, offered: Collection[Mechanism | int]) -> list[SigningMechanism]:
    """Return the mechanisms that the token offers, the best first. Raises AgentTrouble if there is none."""
    ways = [way for way in _WAYS.get(kind, ()) if way.mechanism in offered]
    if not ways:
        raise AgentTrouble("no-mechanism")
    return ways


def kind_to_generate(offered: Collection[Mechanism | int]) -> KeyType:
    """Return the kind of key to generate: EC on P-256 if the token can, otherwise RSA. Raises AgentTrouble if neither
    is possible."""
    for kind, maker in ((KeyType.EC, Mechanism.EC_KEY_PAIR_GEN), (KeyType.RSA, Mechanism.RSA_PKCS_KEY_PAIR_GEN)):
        if maker in offered and any(way.mechanism in offered for way in _WAYS[kind]):
            return kind
    raise AgentTrouble("no-mechanism")
