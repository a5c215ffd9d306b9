"""A PKCS#11 module in this process: loaded once, with the system's locks, and initialised again when tokens were lost.

PKCS#11 keeps its state per process, not per caller (PKCS#11 v2.40, C_Initialize), so each module has one object.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import pkcs11
from pkcs11.types import Token

from hub.errors import TokenUnavailable
from hub.tokens.softhsm import undisturbed

CKF_OS_LOCKING_OK: Final = 2
CKR_OK: Final = 0


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no mutex functions of our own, only the flag "use those of the operating system"."""

    _fields_ = (
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


_Call = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)


class _FunctionList(ctypes.Structure):
    """The beginning of CK_FUNCTION_LIST (PKCS#11 v2.40, 5.4). A module need not export the functions by their names."""

    _fields_ = (("version", ctypes.c_ubyte * 2), ("initialise", _Call), ("finalise", _Call))


def _functions_of(path: str) -> _FunctionList | None:
    """Return the functions of the loaded module.

    None if every caller gets its own functions and state, as from p11-kit's proxy. Raises OSError.
    """
    library = ctypes.CDLL(path)  # the same loaded module, not a second copy
    found = [ctypes.POINTER(_FunctionList)(), ctypes.POINTER(_FunctionList)()]
    for place in found:
        if library.C_GetFunctionList(ctypes.byref(place)) != CKR_OK:
            raise OSError("C_GetFunctionList fails")
    first, second = (each.contents for each in found)
    return first if ctypes.addressof(first) == ctypes.addressof(second) else None


class Module:
    """A PKCS#11 module. Calls into it happen inside `calling()`; a reset waits until no call is under way."""

    def __init__(self, path: str) -> None:
        try:
            self._library = pkcs11.lib(path)
            self._functions = _functions_of(path)
        except (OSError, AttributeError, pkcs11.PKCS11Error) as error:
            raise TokenUnavailable(f"the PKCS#11 module cannot be loaded: {error!r}") from error
        self._idle = threading.Condition()
        self._calls = 0
        self._generation = 0
        # python-pkcs11 initialises without locking, but lets several threads into the module; then SoftHSM crashes.
        self._initialise_with_locking()

    @contextmanager
    def calling(self) -> Iterator[int]:
        """Count a call, and yield the generation of the module.

        Sessions and handles of an earlier generation are invalid, and the module uses their numbers again.
        """
        with self._idle:
            self._calls += 1
            generation = self._generation
        try:
            yield generation
        finally:
            with self._idle:
                self._calls -= 1
                self._idle.notify_all()

    def reset(self, seen: int, patience: float) -> None:
        """Initialise the module again, unless that was done after generation `seen`.

        Raises TokenUnavailable if a call does not end within `patience` seconds. Some modules do not notice that a
        token is back until they are initialised again (SoftHSM never does).
        """
        with self._idle:
            if not self._idle.wait_for(lambda: self._calls == 0, timeout=patience):
                raise TokenUnavailable("the PKCS#11 module does not come back from a call")
            if self._generation == seen:
                self._generation += 1
                self._initialise_with_locking()

    def find_token(self, label: str) -> Token:
        """Return the token with this label. Call it only inside `calling()`."""
        return self._library.get_token(token_label=label)

    def _initialise_with_locking(self) -> None:
        arguments = _InitializeArguments(flags=CKF_OS_LOCKING_OK)
        with undisturbed():
            undisturbed.initialised_with = os.environ.get("SOFTHSM2_CONF")
            if self._functions is None:  # p11-kit's proxy itself asks the modules behind it for locking
                self._initialise_again()
                return
            self._functions.finalise(None)
            result = self._functions.initialise(ctypes.byref(arguments))
        if result != CKR_OK:
            raise TokenUnavailable(f"the PKCS#11 module is away: C_Initialize says {result:#x}")

    def _initialise_again(self) -> None:
        try:
            self._library.reinitialize()
        except pkcs11.PKCS11Error as error:
            raise TokenUnavailable(f"the PKCS#11 module is away: {error!r}") from error


@cache
def loaded_module(path: str) -> Module:
    """Return the module at `path`: one object in this process for all its tokens."""
    return Module(path)
