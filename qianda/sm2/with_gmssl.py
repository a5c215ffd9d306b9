"""SM2 with gmssl-pyx, for systems whose libcrypto has none."""

from __future__ import annotations

from collections.abc import Callable

import gmssl_pyx

from qianda.sm2 import DEFAULT_ID
from qianda.sm2.c_stderr import silenced


class GmsslEngine:
    """The SM2 functions of GmSSL."""

    name = "gmssl-pyx"

    def verify(self, point: bytes, message: bytes, signature: bytes) -> bool:
        try:
            with silenced():
                return bool(gmssl_pyx.sm2_verify(point, message, signature, signer_id=DEFAULT_ID))
        except (gmssl_pyx.GmsslInnerError, gmssl_pyx.InvalidValueError, ValueError):
            return False  # the point is not on the curve, or the signature is no signature

    def signer(self, private_key: bytes, point: bytes) -> Callable[[bytes], bytes]:
        def sign(message: bytes) -> bytes:
            return bytes(gmssl_pyx.sm2_sign(private_key, point, message, signer_id=DEFAULT_ID))

        return sign

    def generate(self) -> tuple[bytes, bytes]:
        point, private_key = gmssl_pyx.sm2_key_generate()
        return bytes(private_key), bytes(point)
