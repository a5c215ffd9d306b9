"""Keys on a PKCS#11 token: SoftHSM2 or any vendor's module."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions as pkcs11_errors
from pkcs11.types import PublicKey, Session, SignMixin
from pkcs11.util.ec import encode_ec_public_key, encode_ecdsa_signature, encode_named_curve_parameters

from hub.errors import KeyNotOnToken, TokenUnavailable
from hub.tokens.key_objects import REFUSALS, destroy_key, rsa_public_key_info, store_key
from hub.tokens.module import loaded_module
from hub.tokens.pins import PinRefusal
from hub.tokens.sm2_pkcs11 import Sm2TokenKey, VendorMechanism
from hub.tokens.softhsm import undisturbed
from hub.tokens.softkey import SealingPrivateKey, public_key_info

THREADS: Final = 8
SIGN_DEADLINE: Final = 10.0  # seconds
# Additional seconds for each further signature in one call.
NEXT_SIGN_DEADLINE: Final = 1.0
# After one of these errors the PIN is not tried again: tokens lock themselves after a few wrong PINs.
PIN_TROUBLE: Final = (
    pkcs11_errors.PinExpired,
    pkcs11_errors.PinIncorrect,
    pkcs11_errors.PinInvalid,
    pkcs11_errors.PinLenRange,
    pkcs11_errors.PinLocked,
    pkcs11_errors.UserPinNotInitialized,
)
# Those of them that a wrong PIN causes. Each uses up one of the token's tries.
WRONG_PIN: Final = (pkcs11_errors.PinIncorrect, pkcs11_errors.PinInvalid, pkcs11_errors.PinLenRange)

# The mechanisms with which the hub signs.
SIGNING_MECHANISMS: Final = (Mechanism.ECDSA_SHA256, Mechanism.ECDSA, Mechanism.SHA256_RSA_PKCS)
Result = TypeVar("Result")


@dataclass
class _OpenSession:
    """A session, which serves one thread at a time. The handles of its private keys are looked up once."""

    session: Session
    generation: int
    keys: dict[str, SignMixin] = field(default_factory=dict)

    def private_key(self, label: str) -> SignMixin:
        if label not in self.keys:
            self.keys[label] = cast(SignMixin, self.session.get_key(ObjectClass.PRIVATE_KEY, label=label))
        return self.keys[label]


class Pkcs11Token:
    """One token of one module. Create one object per process and token; the login belongs to the whole process.

    Blocking calls run in threads of this object. A token that was lost is opened again by the next call.
    """

    def __init__(
        self,
        module: str | Path,
        label: str,
        pin: str,
        *,
        deadline: float = SIGN_DEADLINE,
        sm2: VendorMechanism | None = None,
    ) -> None:
        """`sm2`: the vendor's mechanism for SM2, if the token has one."""
        self.label = label
        self._sm2 = sm2
        self._pin = pin
        self._deadline = deadline
        self._module = loaded_module(str(module))
        self._lock = threading.Lock()  # guards the idle sessions and the login
        self._idle: list[_OpenSession] = []
        self._login = -1  # the generation of the module in which the PIN was given
        self._refused = ""  # why no session is opened any more
        # What other processes know about the PIN. Set only for a configured token.
        self.refusal: PinRefusal | None = None
        self._mechanism: Mechanism | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="token")

    async def has_key(self, label: str) -> bool:
        return await self._in_thread(lambda: self._public_key(label) is not None)

    async def key(self, label: str) -> TokenKey:
        """Return the key with this label. Raises TokenUnavailable if the token cannot be reached, KeyNotOnToken."""
        spki = await self._in_thread(lambda: self._public_key(label))
        if spki is None:
            raise KeyNotOnToken(f"the token {self.label!r} has no key {label!r}")
        return TokenKey(label, spki, self)

    async def sm2_key(self, label: str) -> Sm2TokenKey:
        """Return the SM2 key with this label. Raises KeyNotOnToken also if no mechanism is configured for it."""
        if self._sm2 is None:
            raise KeyNotOnToken("no mechanism for SM2 is configured: [token] sm2_mechanism, a number of the vendor's")
        return await Sm2TokenKey.find(self, label, self._sm2)

    async def generate_key(self, label: str) -> TokenKey:
        """Return a new P-256 key, which never leaves the token; the existing key if the label is taken.

        Raises TokenUnavailable.
        """
        return TokenKey(label, await self._in_thread(lambda: self._generate(label)), self)

    async def import_key(self, label: str, key: SealingPrivateKey) -> TokenKey | None:
        """Store a key that was made elsewhere. It cannot leave the token afterwards. Return None if the token does not
        accept this kind of key.

        A key that already has this label stays. Raises TokenUnavailable.
        """
        if not await self._in_thread(lambda: self._import(label, key)):
            return None
        return TokenKey(label, public_key_info(key), self)

    async def sign(self, label: str, message: bytes) -> bytes:
        """Return a signature as `SigningKey.sign` does. Raises TokenUnavailable, also after the deadline."""
        return (await self.sign_all(label, [message]))[0]

    async def sign_all(self, label: str, messages: Sequence[bytes]) -> list[bytes]:
        """Return a signature for each message; one thread makes them one after the other. Raises TokenUnavailable."""
        more = NEXT_SIGN_DEADLINE * (len(messages) - 1)
        return await self._in_thread(lambda: self._use(lambda opened: self._sign(opened, label, messages)), more)

    async def sign_as_vendor(self, label: str, data: bytes, mechanism: int) -> bytes:
        """Return the token's answer, usually r‖s, for a vendor's mechanism, which is given by its number.

        Raises TokenUnavailable, also for a mechanism that the token does not have.
        """

        def ask(opened: _OpenSession) -> bytes:
            return opened.private_key(label).sign(data, mechanism=_mechanism_of(mechanism))

        return await self._in_thread(lambda: self._use(ask))

    async def public_point(self, label: str) -> bytes:
        """Return the point of the public key with this label, as the token states it (CKA_EC_POINT).

        Raises TokenUnavailable if the token cannot be reached or has several such keys, KeyNotOnToken if it has none.
        """

        def look(opened: _OpenSession) -> list[bytes]:
            wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: label}
            return [bytes(key[Attribute.EC_POINT]) for key in opened.session.get_objects(wanted)]

        points = await self._in_thread(lambda: self._use(look))
        if not points:
            raise KeyNotOnToken(f"the token {self.label!r} has no key {label!r}")
        if len(points) != 1:
            raise TokenUnavailable(f"the token {self.label!r} has {len(points)} keys {label!r}")
        return points[0]

    async def list_keys(self) -> list[str]:
        """Return the labels of the private keys on the token. Raises TokenUnavailable."""

        def look(opened: _OpenSession) -> list[str]:
            found = opened.session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
            return sorted({str(key[Attribute.LABEL]) for key in found})

        return await self._in_thread(lambda: self._use(look))

    async def list_mechanisms(self) -> list[str]:
        """Return the PKCS#11 names of the mechanisms with which the token can sign, and the configured number of the
        vendor's mechanism for SM2. Raises TokenUnavailable."""

        def look(opened: _OpenSession) -> list[str]:
            offered = opened.session.token.slot.get_mechanisms()
            return [each.name for each in SIGNING_MECHANISMS if each in offered]

        names = await self._in_thread(lambda: self._use(look))
        return [*names, f"SM2 {self._sm2.number:#x}"] if self._sm2 else names

    def close(self) -> None:
        """Stop the threads. The sessions end with the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, job: Callable[[], Result], more: float = 0.0) -> Result:
        """Run `job` in a thread. `more`: seconds in addition to the usual deadline."""
        deadline = self._deadline + more
        try:
            async with asyncio.timeout(deadline):
                return await asyncio.get_running_loop().run_in_executor(self._threads, job)
        except TimeoutError as error:
            raise TokenUnavailable(f"the token {self.label!r} did not answer in {deadline} s") from error

    def _use(self, job: Callable[[_OpenSession], Result]) -> Result:
        """Run `job` with a session. If the token seems to be gone, reset the module and run it once more.

        Raises TokenUnavailable.
        """
        for last_try in (False, True):
            generation = -1
            try:
                with self._module.calling() as generation, self._session(generation) as opened:
                    return job(opened)
            except PIN_TROUBLE as error:
                self._refused = f"the token {self.label!r} {_pin_trouble(error)}"
                if self.refusal is not None and isinstance(error, WRONG_PIN):
                    self.refusal.note()
                raise TokenUnavailable(self._refused) from error
            except pkcs11_errors.PKCS11Error as error:
                if last_try:
                    raise TokenUnavailable(f"the token {self.label!r} is away: {error!r}") from error
            self._module.reset(generation, self._deadline)
        raise AssertionError("unreachable")

    @contextmanager
    def _session(self, generation: int) -> Iterator[_OpenSession]:
        """Yield a session of this generation. After a failure the session is not used again."""
        with self._lock:
            self._idle = [opened for opened in self._idle if opened.generation == generation]
            opened = self._idle.pop() if self._idle else self._logged_in_session(generation)
        yield opened
        with self._lock:
            self._idle.append(opened)

    def _logged_in_session(self, generation: int, rw: bool = False) -> _OpenSession:
        with undisturbed():
            return self._log_in(generation, rw)

    def _log_in(self, generation: int, rw: bool) -> _OpenSession:
        if self._refused:
            raise TokenUnavailable(self._refused)
        token = self._module.find_token(self.label)
        if self._mechanism is None:
            self._mechanism = _signing_mechanism(token.slot.get_mechanisms())
        if self._login != generation:
            self._check_pin()
            # If another user of the module in this process has logged in, the login is valid here too.
            with suppress(pkcs11_errors.UserAlreadyLoggedIn):
                session = token.open(user_pin=self._pin, rw=rw)
                self._login = generation
                return _OpenSession(session, generation)
        self._login = generation
        return _OpenSession(token.open(rw=rw), generation)

    def _check_pin(self) -> None:
        """Raise TokenUnavailable for a PIN that the token has refused to any process of this data folder."""
        if self.refusal is not None and self.refusal.is_known():
            raise TokenUnavailable(
                f"the token {self.label!r} refused this PIN before, and it is not tried again, because tokens lock "
                f"themselves: correct the PIN; if the token has this PIN by now, delete {self.refusal.file}"
            )

    def _sign(self, opened: _OpenSession, label: str, messages: Sequence[bytes]) -> list[bytes]:
        key = opened.private_key(label)
        if cast(Any, key)[Attribute.KEY_TYPE] == KeyType.RSA:
            return [key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS) for message in messages]
        if self._mechanism is not Mechanism.ECDSA_SHA256:
            messages = [hashlib.sha256(message).digest() for message in messages]
        return [encode_ecdsa_signature(key.sign(message, mechanism=self._mechanism)) for message in messages]

    def _public_key(self, label: str) -> bytes | None:
        def look(opened: _OpenSession) -> bytes | None:
            return _spki(opened.session, label)

        return self._use(look)

    def _generate(self, label: str) -> bytes:
        def make(opened: _OpenSession) -> bytes:
            with self._lock, undisturbed():  # two threads must not both find the label free
                session = self._logged_in_session(opened.generation, rw=True).session
                try:
                    return _spki(session, label) or _new_key(session, label)
                finally:
                    session.close()

        return self._use(make)

    def _import(self, label: str, key: SealingPrivateKey) -> bool:
        def put(opened: _OpenSession) -> bool:
            with self._lock, undisturbed():
                session = self._logged_in_session(opened.generation, rw=True).session
                try:
                    if _spki(session, label) is None:
                        destroy_key(session, label)  # removes a half that a killed import left
                        store_key(session, label, key)
                    return True
                except REFUSALS:
                    destroy_key(session, label)  # one half may be stored
                    return False
                finally:
                    session.close()

        return self._use(put)


@dataclass(frozen=True)
class TokenKey:
    """A key that cannot leave its token: P-256, or an imported key of another kind."""

    label: str
    spki: bytes
    _token: Pkcs11Token = field(repr=False)

    async def sign(self, message: bytes) -> bytes:
        """Return a signature as `SigningKey.sign` does. Raises TokenUnavailable if the token fails or is too slow."""
        return await self._token.sign(self.label, message)

    async def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return a signature for each message. Raises TokenUnavailable if the token fails or is too slow."""
        return await self._token.sign_all(self.label, messages)

    async def check(self) -> None:
        """Sign a test message, which costs nothing and tests everything. Raises TokenUnavailable."""
        await self._token.sign(self.label, b"is the key there")


def _pin_trouble(error: Exception) -> str:
    if isinstance(error, WRONG_PIN):
        return "refuses the PIN; it is not tried again: correct the PIN"
    tool = "unlock it, or set its PIN, with its maker's tool"
    return f"lets nobody in ({type(error).__name__}), whatever the PIN; it is not tried again: {tool}"


def _signing_mechanism(offered: set[Mechanism]) -> Mechanism:
    for mechanism in (Mechanism.ECDSA_SHA256, Mechanism.ECDSA):
        if mechanism in offered:
            return mechanism
    raise TokenUnavailable("the token offers neither ECDSA_SHA256 nor ECDSA")


def _mechanism_of(number: int) -> Mechanism:
    """Return a mechanism by its number. The library accepts only members of its own list, which lacks the mechanisms of
    vendors. A member made here is accepted as well, and passed on as its number."""
    with suppress(ValueError):
        return Mechanism(number)
    made = int.__new__(Mechanism, number)
    made._name_, made._value_ = f"VENDOR_{number:08X}", number
    return made


def _spki(session: Session, label: str) -> bytes | None:
    """Return the public key with this label, or None.

    A private key without its public key counts as missing. Raises TokenUnavailable if the label is not unique.
    """
    wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: label}
    found = list(session.get_objects(wanted))
    if len(found) > 1:
        raise TokenUnavailable(f"the token holds several keys with the label {label!r}")
    if not found:
        return None
    public = cast(PublicKey, found[0])
    return rsa_public_key_info(public) if public.key_type == KeyType.RSA else encode_ec_public_key(public)


def _new_key(session: Session, label: str) -> bytes:
    curve: dict[Attribute, Any] = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
    public, private = parameters.generate_keypair(
        store=True,
        label=label,
        mechanism=Mechanism.EC_KEY_PAIR_GEN,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )
    if not private[Attribute.SENSITIVE] or private[Attribute.EXTRACTABLE]:
        raise TokenUnavailable("the token allows the private key to be read out")
    return encode_ec_public_key(public)
