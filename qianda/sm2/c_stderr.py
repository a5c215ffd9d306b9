"""Silence the error output of C code during a call. GmSSL prints a trace for each invalid signature, which is a normal
result here and not an error. Python's own `sys.stderr` is not affected."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_LOCK = threading.Lock()


@contextmanager
def silenced() -> Iterator[None]:
    """Redirect the C library's `stderr` to the null device in this context, if it has such a variable."""
    found = _stream_and_nowhere()
    if found is None:
        yield
        return
    stream, nowhere = found
    with _LOCK:
        before, stream.value = stream.value, nowhere
        try:
            yield
        finally:
            stream.value = before


@cache
def _stream_and_nowhere() -> tuple[ctypes.c_void_p, int] | None:
    """Return the address of the variable, and a stream to the null device."""
    if os.name == "nt":  # there, each C runtime has its own stream
        return None
    library = ctypes.CDLL(None)
    for name in ("stderr", "__stderrp"):  # glibc and musl; macOS
        try:
            stream = ctypes.c_void_p.in_dll(library, name)
        except ValueError:
            continue
        library.fopen.restype, library.fopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_char_p)
        nowhere = library.fopen(os.devnull.encode(), b"w")
        return (stream, nowhere) if nowhere else None
    return None
