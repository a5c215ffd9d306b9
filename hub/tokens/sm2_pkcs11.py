"""An SM2 key on a vendor's PKCS#11 token.

PKCS#11 has no mechanism for SM2. Vendors use their own numbers, 0x80000000 and above, so the number comes from the
configuration. An answer is used only if it is an SM2 signature by exactly this key, so a wrong number is noticed at
once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from hub.errors import TokenUnavailable
from hub.tokens import SignsEach
from qianda import sm2

_POINT_BYTES: Final = 1 + 2 * sm2.NUMBER_BYTES
_UNCOMPRESSED, _OCTET_STRING = 0x04, 0x04


@dataclass(frozen=True)
class VendorMechanism:
    """The vendor's mechanism for SM2 signatures. `takes_hash`: it signs e = SM3(Z ‖ message); otherwise it takes the
    message, and computes Z with the usual ID."""

    number: int
    takes_hash: bool = True


class VendorToken(Protocol):
    """What this key needs from a token; `hub.tokens.pkcs11` provides it."""

    @property
    def label(self) -> str: ...

    async def sign_as_vendor(self, label: str, data: bytes, mechanism: int) -> bytes: ...

    async def public_point(self, label: str) -> bytes: ...


@dataclass(frozen=True)
class Sm2TokenKey(SignsEach):
    """An SM2 key that never leaves its token."""

    label: str
    spki: bytes
    _token: VendorToken = field(repr=False)
    _mechanism: VendorMechanism = field(repr=False)

    custody: Final = "token"

    @classmethod
    async def find(cls, token: VendorToken, label: str, mechanism: VendorMechanism) -> Sm2TokenKey:
        """Return the key with this label. Raises TokenUnavailable if the token cannot be reached or has no such key."""
        point = _bare_point(await token.public_point(label))
        if point is None:
            raise TokenUnavailable(f"the key {label!r} on the token {token.label!r} is no SM2 key")
        return cls(label, sm2.write_spki(point), token, mechanism)

    async def sign(self, message: bytes) -> bytes:
        """Return an SM2 signature with SM3 in DER. Raises TokenUnavailable if the token fails, or answers anything
        else."""
        point = self.spki[-2 * sm2.NUMBER_BYTES :]
        data = sm2.message_digest(point, message) if self._mechanism.takes_hash else message
        answer = await self._token.sign_as_vendor(self.label, data, self._mechanism.number)
        signature = sm2.der_signature(answer)
        if signature is None or not sm2.verify(self.spki, message, signature):
            raise TokenUnavailable(
                f"mechanism {self._mechanism.number:#x} of the token {self._token.label!r} makes no SM2 signature"
            )
        return signature

    async def check(self) -> None:
        """Sign a test message, which tests everything. Raises TokenUnavailable."""
        await self.sign(b"is the key there")


def _bare_point(stated: bytes) -> bytes | None:
    """Return x‖y of a point as tokens state it: in an OCTET STRING (PKCS#11 v2.40, 2.3.3), or bare, as some do."""
    if stated[:2] == bytes((_OCTET_STRING, _POINT_BYTES)) and len(stated) == _POINT_BYTES + 2:
        stated = stated[2:]
    if len(stated) == _POINT_BYTES and stated[0] == _UNCOMPRESSED:
        return stated[1:]
    return stated if len(stated) == 2 * sm2.NUMBER_BYTES else None
