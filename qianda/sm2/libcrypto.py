"""SM2 with libcrypto of OpenSSL 3, called through ctypes. (The package `cryptography` cannot load SM2 keys.)"""

from __future__ import annotations

import ctypes
import ctypes.util
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from qianda import der
from qianda.sm2 import DEFAULT_ID, NUMBER_BYTES, write_spki

OPENSSL_3: Final = 0x30000000
# A signature is at most SEQUENCE {INTEGER of 33 bytes, INTEGER of 33 bytes}.
_MAX_SIGNATURE = 72
_CURVE_NAME: Final = b"SM2"
_EC_ALGORITHM: Final = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_KEPT_KEYS = 64
_POINTER, _LONG = ctypes.c_void_p, ctypes.c_long
_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, ()),
    "d2i_PUBKEY": (_POINTER, (_POINTER, _POINTER, _LONG)),
    "d2i_AutoPrivateKey": (_POINTER, (_POINTER, _POINTER, _LONG)),
    "i2d_PUBKEY": (ctypes.c_int, (_POINTER, _POINTER)),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "EVP_PKEY_Q_keygen": (_POINTER, (_POINTER, _POINTER, ctypes.c_char_p)),
    "EVP_PKEY_get_bn_param": (ctypes.c_int, (_POINTER, ctypes.c_char_p, _POINTER)),
    "BN_bn2binpad": (ctypes.c_int, (_POINTER, _POINTER, ctypes.c_int)),
    "BN_clear_free": (None, (_POINTER,)),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_sm3": (_POINTER, ()),
    "EVP_PKEY_CTX_set1_id": (ctypes.c_int, (_POINTER, _POINTER, ctypes.c_int)),
    "EVP_DigestVerifyInit": (ctypes.c_int, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EVP_DigestVerify": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)),
    "EVP_DigestSignInit": (ctypes.c_int, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EVP_DigestSign": (ctypes.c_int, (_POINTER, _POINTER, _POINTER, ctypes.c_char_p, ctypes.c_size_t)),
    "ERR_clear_error": (None, ()),
}


def load_libcrypto() -> LibcryptoEngine | None:
    """Return the engine; None if the system has no libcrypto of OpenSSL 3, or one without SM2."""
    name = ctypes.util.find_library("crypto")
    try:
        return LibcryptoEngine(ctypes.CDLL(name)) if name else None
    except (OSError, AttributeError, LibcryptoError):
        return None


class LibcryptoError(Exception):
    """A call into libcrypto failed."""


class _Key:
    """An EVP_PKEY, freed with this object."""

    def __init__(self, pointer: int | None, free: Callable[[int], None]) -> None:
        if not pointer:
            raise LibcryptoError("not an SM2 key")
        self.pointer = pointer
        weakref.finalize(self, free, pointer)


class LibcryptoEngine:
    """The SM2 functions of one loaded libcrypto. Every call has its own context, so threads may share the object."""

    name = "libcrypto"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        for function, (result, arguments) in _SIGNATURES.items():
            found = getattr(library, function)
            found.restype, found.argtypes = result, arguments
        if library.OpenSSL_version_num() < OPENSSL_3 or not library.EVP_sm3():
            raise LibcryptoError("no SM2 and SM3 of OpenSSL 3")
        self._public_key = lru_cache(_KEPT_KEYS)(self._load_public_key)
        self.signer(*self.generate())(b"")  # fails here if this build has no SM2

    def verify(self, point: bytes, message: bytes, signature: bytes) -> bool:
        library = self._library
        try:
            key = self._public_key(point)
        except LibcryptoError:  # the point is not on the curve
            return False
        context = self._context(library.EVP_DigestVerifyInit, key)
        try:
            return bool(library.EVP_DigestVerify(context, signature, len(signature), message, len(message)) == 1)
        finally:
            library.EVP_MD_CTX_free(context)
            library.ERR_clear_error()

    def signer(self, private_key: bytes, point: bytes) -> Callable[[bytes], bytes]:
        # The closure keeps the key alive as long as the function.
        key = self._load_private_key(private_key, point)

        def sign(message: bytes) -> bytes:
            library = self._library
            context = self._context(library.EVP_DigestSignInit, key)
            try:
                output, size = ctypes.create_string_buffer(_MAX_SIGNATURE), ctypes.c_size_t(_MAX_SIGNATURE)
                if library.EVP_DigestSign(context, output, ctypes.byref(size), message, len(message)) != 1:
                    library.ERR_clear_error()
                    raise LibcryptoError("the key did not sign")
                return output.raw[: size.value]
            finally:
                library.EVP_MD_CTX_free(context)

        return sign

    def generate(self) -> tuple[bytes, bytes]:
        library = self._library
        key = _Key(library.EVP_PKEY_Q_keygen(None, None, _CURVE_NAME), library.EVP_PKEY_free)
        number, digits = _POINTER(), ctypes.create_string_buffer(NUMBER_BYTES)
        if library.EVP_PKEY_get_bn_param(key.pointer, b"priv", ctypes.byref(number)) != 1:
            raise LibcryptoError("a new key does not show its number")
        try:
            library.BN_bn2binpad(number, digits, NUMBER_BYTES)
        finally:
            library.BN_clear_free(number)
        length = library.i2d_PUBKEY(key.pointer, None)
        spki = ctypes.create_string_buffer(length)
        library.i2d_PUBKEY(key.pointer, ctypes.byref(ctypes.cast(spki, _POINTER)))
        return digits.raw, spki.raw[-2 * NUMBER_BYTES :]

    def _context(self, initialise: Callable[..., int], key: _Key) -> int:
        """Return a context for one signature with the default ID. Free it with EVP_MD_CTX_free."""
        library = self._library
        context: int = library.EVP_MD_CTX_new()
        of_key = _POINTER()
        if (
            initialise(context, ctypes.byref(of_key), library.EVP_sm3(), None, key.pointer) != 1
            or library.EVP_PKEY_CTX_set1_id(of_key, DEFAULT_ID, len(DEFAULT_ID)) != 1
        ):
            library.EVP_MD_CTX_free(context)
            library.ERR_clear_error()
            raise LibcryptoError("SM2 with SM3 cannot be started")
        return context

    def _load_public_key(self, point: bytes) -> _Key:
        return self._load(self._library.d2i_PUBKEY, write_spki(point))

    def _load_private_key(self, private_key: bytes, point: bytes) -> _Key:
        """Load PKCS#8 (RFC 5958) around ECPrivateKey (RFC 5915)."""
        number = der.encode(der.INTEGER, b"\1") + der.encode(der.OCTET_STRING, private_key)
        inner = der.encode(der.SEQUENCE, number + der.encode(0xA1, der.encode(0x03, b"\0\x04" + point)))
        whole = der.encode(der.INTEGER, b"\0") + _EC_ALGORITHM + der.encode(der.OCTET_STRING, inner)
        return self._load(self._library.d2i_AutoPrivateKey, der.encode(der.SEQUENCE, whole))

    def _load(self, load: Callable[..., int | None], encoded: bytes) -> _Key:
        data = ctypes.create_string_buffer(encoded, len(encoded))
        pointer = load(None, ctypes.byref(ctypes.cast(data, _POINTER)), len(encoded))
        self._library.ERR_clear_error()
        return _Key(pointer, self._library.EVP_PKEY_free)
