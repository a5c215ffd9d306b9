"""Log and count security events: one line each, with a keyed hash of the address.

The same address always gets the same hash, so that a burst is visible. With the log alone, nobody can find the address
by trying all of them.
"""

from __future__ import annotations

import structlog

from hub.measures import SECURITY_EVENTS, SecurityEvent
from hub.store.encryption.cipher import Cipher

# Hexadecimal characters of a hash. With this many, two addresses in a school's traffic practically never collide.
HASH_CHARACTERS = 16
# In place of a hash, for a request from this machine.
THIS_MACHINE = "this-machine"
log = structlog.get_logger()


def log_security_event(cipher: Cipher, event: SecurityEvent, address: str | None, **facts: str) -> None:
    """Log and count an event. `address`: None for this machine. `facts` are words of ours, or hashes."""
    SECURITY_EVENTS.labels(event.value).inc()
    shown = hash_value(cipher, "address", address) if address else THIS_MACHINE
    log.warning("security event", kind=event.value, address=shown, **facts)


def hash_value(cipher: Cipher, kind: str, value: str) -> str:
    """Return a keyed hash of a value that must not be in a log."""
    return cipher.found_by(f"log-{kind}", value).hex()[:HASH_CHARACTERS]
