"""Use the signer's token through any PKCS#11 module: find it, read it, log in once, and let it sign.

All calls are made one after the other from one thread, because not every module is safe for several threads.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Attribute, CertificateType, KeyType, ObjectClass, TokenFlag, exceptions as errors
from pkcs11.types import PROTECTED_AUTH, PrivateKey, PublicKey, Session, SignMixin, Token
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters
from pkcs11.util.x509 import decode_x509_certificate

from qianda.agent.certificates import TokenCertificate, read_certificate
from qianda.agent.mechanisms import SigningMechanism, kind_to_generate, ways_for
from qianda.agent.words import AgentTrouble

OWN_LABEL = "qianda"
RSA_BITS = 2048
_GONE = (
    errors.DeviceRemoved,
    errors.TokenNotPresent,
    errors.TokenNotRecognised,
    errors.SlotIDInvalid,
    errors.SessionHandleInvalid,
    errors.SessionClosed,
    errors.NoSuchToken,
    errors.ObjectHandleInvalid,
    errors.KeyHandleInvalid,
)
_NOT_SO = (errors.MechanismInvalid, errors.FunctionNotSupported, errors.MechanismParamInvalid)


def plugged_in(module: str) -> list[TokenDevice]:
    """Return the initialised tokens present. Raises AgentTrouble if there is none, or the module does not load."""
    try:
        slots = pkcs11.lib(module).get_slots(token_present=True)
    except (OSError, RuntimeError) as error:  # PKCS11Error is a RuntimeError as well
        raise AgentTrouble("no-module", module=module, why=str(error) or type(error).__name__) from error
    devices = []
    for slot in slots:
        try:
            token = slot.get_token()
        except errors.PKCS11Error:  # removed between the two calls, or unknown to this library
            continue
        if token.flags & TokenFlag.TOKEN_INITIALIZED:
            devices.append(TokenDevice(token))
    if not devices:
        raise AgentTrouble("no-token")
    return devices


@dataclass
class TokenDevice:
    token: Token
    certificates: list[TokenCertificate] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.token.label.strip() or self.token.serial.decode("ascii", "replace").strip() or "token"

    @property
    def has_keypad(self) -> bool:
        return bool(self.token.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH)

    def read(self) -> None:
        """Read the certificates on the token. This needs no PIN."""
        with self._troubles(), self.token.open() as session:
            wanted = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509}
            found = [read_certificate(one[Attribute.VALUE], one[Attribute.ID]) for one in session.get_objects(wanted)]
        self.certificates = [one for one in found if one is not None]

    @contextmanager
    def logged_in(self, pin: str, *, to_write: bool = False) -> Iterator[OpenDevice]:
        """Log in with the PIN, which is given to the token once. Raises AgentTrouble for a wrong PIN and for a locked
        token."""
        if to_write and self.token.flags & TokenFlag.WRITE_PROTECTED:
            raise AgentTrouble("read-only")
        if self.token.flags & TokenFlag.USER_PIN_LOCKED:
            raise AgentTrouble("locked")
        given: Any = PROTECTED_AUTH if self.has_keypad else pin
        with self._troubles():
            session = self.token.open(user_pin=given, rw=to_write)
        try:
            yield OpenDevice(self, session, None if self.has_keypad else pin)
        finally:
            try:
                session.close()
            except errors.PKCS11Error:  # the token was pulled out: there is nothing to close
                pass

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            yield
        except errors.PKCS11Error as error:
            raise self.trouble(error) from error

    def trouble(self, error: errors.PKCS11Error) -> AgentTrouble:
        """Return the text that fits the error of the module."""
        match error:
            case errors.PinIncorrect() | errors.PinInvalid() | errors.PinLenRange():
                return self._wrong_pin()
            case errors.PinLocked():
                return AgentTrouble("locked")
            case errors.PinExpired():
                return AgentTrouble("pin-expired")
            case errors.UserPinNotInitialized():
                return AgentTrouble("no-pin-set")
        if isinstance(error, _GONE) or self._flags() is None:
            return AgentTrouble("removed")
        return AgentTrouble("device", what=" ".join([type(error).__name__, *(str(part) for part in error.args)]))

    def _wrong_pin(self) -> AgentTrouble:
        flags = self._flags()
        if flags is None:
            return AgentTrouble("removed")
        if flags & TokenFlag.USER_PIN_LOCKED:
            return AgentTrouble("locked")
        left = "left-unknown"
        if flags & TokenFlag.USER_PIN_FINAL_TRY:
            left = "left-one"
        elif flags & TokenFlag.USER_PIN_COUNT_LOW:
            left = "left-few"
        return AgentTrouble("wrong-pin", left=left)

    def _flags(self) -> TokenFlag | None:
        """Return the token's flags as they are now, or None if the token is gone."""
        try:
            return self.token.slot.get_token().flags
        except errors.PKCS11Error:
            return None


@dataclass
class OpenDevice:
    device: TokenDevice
    session: Session
    pin: str | None

    def holder(self, certificate: TokenCertificate) -> TokenHolder:
        """Return the private key of the certificate. Raises AgentTrouble if the key is not on the token."""
        with self.device._troubles():
            keys = self._private_keys({Attribute.ID: certificate.id}) if certificate.id else []
            if not keys:  # on some tokens, key and certificate share no ID; `sign` detects a wrong key
                keys = self._private_keys({})
            if len(keys) != 1:
                raise AgentTrouble("no-key")
            return self._holder(keys[0], certificate.spki)

    def own_key(self) -> TokenHolder:
        """Return the key that was generated here for signing at schools. Generate it if there is none; it never leaves
        the token."""
        with self.device._troubles():
            known = self._private_keys({Attribute.LABEL: OWN_LABEL})
            if known:
                return self._holder(known[0], self._spki_of(known[0][Attribute.ID]))
            public, private = self._generated()
            return self._holder(private, _spki(public))

    def keep(self, certificate: bytes, holder: TokenHolder) -> None:
        """Store the certificate next to its key, in place of another. Raises AgentTrouble if the token refuses."""
        identifier = holder.key[Attribute.ID]
        with self.device._troubles():
            old = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.ID: identifier}
            for each in list(self.session.get_objects(old)):
                each.destroy()
            attributes = decode_x509_certificate(certificate)
            own = {Attribute.TOKEN: True, Attribute.LABEL: OWN_LABEL, Attribute.ID: identifier}
            self.session.create_object(attributes | own)

    def _holder(self, key: Any, spki: bytes) -> TokenHolder:
        ways = ways_for(key.key_type, self.device.token.slot.get_mechanisms())
        return TokenHolder(self.device, key, spki, ways, self.pin)

    def _private_keys(self, wanted: dict[Attribute, Any]) -> list[Any]:
        return list(self.session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY} | wanted))

    def _spki_of(self, identifier: bytes) -> bytes:
        wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: identifier}
        found = list(self.session.get_objects(wanted))
        if len(found) != 1:
            raise AgentTrouble("no-key")
        return _spki(cast(PublicKey, found[0]))

    def _generated(self) -> tuple[PublicKey, PrivateKey]:
        identifier = secrets.token_bytes(20)
        how: dict[str, Any] = {
            "store": True,
            "label": OWN_LABEL,
            "id": identifier,
            "private_template": {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        }
        if kind_to_generate(self.device.token.slot.get_mechanisms()) is KeyType.RSA:
            return self.session.generate_keypair(KeyType.RSA, RSA_BITS, **how)
        curve: dict[Attribute, Any] = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        return self.session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(**how)


@dataclass
class TokenHolder:
    """A private key on the token, as the client library uses it (`qianda.holder.Holder`)."""

    device: TokenDevice
    key: Any
    spki: bytes
    ways: list[SigningMechanism]
    pin: str | None = field(repr=False)
    custody: str = "usb-token"

    def sign(self, data: bytes) -> bytes:
        """Return the signature: raw r‖s for EC, the signature value for RSA.

        Raises AgentTrouble if the token fails, or if the key is not that of the certificate.
        """
        try:
            signature = self._signed(data)
        except errors.PKCS11Error as error:
            raise self.device.trouble(error) from error
        if not _fits(self.spki, data, signature):
            raise AgentTrouble("other-key")
        return signature

    def _signed(self, data: bytes) -> bytes:
        """Sign with the first mechanism that works, because some tokens list mechanisms that they lack."""
        for number, way in enumerate(self.ways, start=1):
            try:
                key = cast(SignMixin, self.key)
                return key.sign(way.given(data), mechanism=way.mechanism, **self._asked_each_time())
            except _NOT_SO:
                if number == len(self.ways):
                    raise
        raise AssertionError("there is at least one way")

    def _asked_each_time(self) -> dict[str, str]:
        """Return the PIN as an argument if the key requires it for each use (CKA_ALWAYS_AUTHENTICATE), as keys for
        qualified signatures do."""
        try:
            asked = bool(self.key[Attribute.ALWAYS_AUTHENTICATE])
        except (errors.AttributeTypeInvalid, KeyError):
            asked = False
        return {"pin": self.pin} if asked and self.pin is not None else {}


def _spki(public: PublicKey) -> bytes:
    """Return the public key as SubjectPublicKeyInfo in DER."""
    if public.key_type is KeyType.EC:
        return encode_ec_public_key(public)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus, exponent = (int.from_bytes(public[part]) for part in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return RSAPublicNumbers(exponent, modulus).public_key().public_bytes(serialization.Encoding.DER, form)


def _fits(spki: bytes, data: bytes, signature: bytes) -> bool:
    key: Any = serialization.load_der_public_key(spki)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
