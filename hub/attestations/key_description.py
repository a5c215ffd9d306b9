"""The extension KeyDescription in the certificate of a key that Android's keystore made, read strictly.

Source: Android Open Source Project, "Key and ID attestation", the schema of the extension 1.3.6.1.4.1.11129.2.1.17 (all
versions so far). Its authorization lists grow with the versions: entries that are not used here are skipped, but each
may occur only once, and an entry that is used must have exactly the form of the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import core, parser

OID: Final = "1.3.6.1.4.1.11129.2.1.17"
_CONTEXT_CLASS, _CONSTRUCTED = 2, 1


class SecurityLevel(core.Enumerated):  # type: ignore[misc]
    _map: Final = {0: "software", 1: "tee", 2: "strongbox"}


class BootState(core.Enumerated):  # type: ignore[misc]
    _map: Final = {0: "verified", 1: "self-signed", 2: "unverified", 3: "failed"}


class _KeyDescription(core.Sequence):  # type: ignore[misc]
    _fields: Final = [
        ("version", core.Integer),
        ("level", SecurityLevel),
        ("keystore_version", core.Integer),
        ("keystore_level", SecurityLevel),
        ("challenge", core.OctetString),
        ("unique_id", core.OctetString),
        ("software_enforced", core.Any),
        ("hardware_enforced", core.Any),
    ]


class RootOfTrust(core.Sequence):  # type: ignore[misc]
    _fields: Final = [
        ("boot_key", core.OctetString),
        ("locked", core.Boolean),
        ("boot_state", BootState),
        ("boot_hash", core.OctetString, {"optional": True}),
    ]


class Integers(core.SetOf):  # type: ignore[misc]
    _child_spec = core.Integer


class OctetStrings(core.SetOf):  # type: ignore[misc]
    _child_spec = core.OctetString


class _Package(core.Sequence):  # type: ignore[misc]
    _fields: Final = [("name", core.OctetString), ("version", core.Integer)]


class _Packages(core.SetOf):  # type: ignore[misc]
    _child_spec = _Package


class ApplicationId(core.Sequence):  # type: ignore[misc]
    _fields: Final = [("packages", _Packages), ("signature_digests", OctetStrings)]


PURPOSE, ALGORITHM, DIGEST, NO_AUTH_REQUIRED, USER_AUTH_TYPE, AUTH_TIMEOUT = 1, 2, 5, 503, 504, 505
ALLOW_WHILE_ON_BODY, ALL_APPLICATIONS, ORIGIN, ROOT_OF_TRUST, APPLICATION_ID = 506, 600, 702, 704, 709
_FORMS: Final[Mapping[int, type[core.Asn1Value]]] = {
    PURPOSE: Integers,
    ALGORITHM: core.Integer,
    DIGEST: Integers,
    NO_AUTH_REQUIRED: core.Null,
    USER_AUTH_TYPE: core.Integer,
    AUTH_TIMEOUT: core.Integer,
    ALLOW_WHILE_ON_BODY: core.Null,
    ALL_APPLICATIONS: core.Null,
    ORIGIN: core.Integer,
    ROOT_OF_TRUST: RootOfTrust,
    APPLICATION_ID: core.OctetString,
}
Authorizations = Mapping[int, Any]


@dataclass(frozen=True)
class KeyDescription:
    """A key description.

    `level` is the security level of the attestation itself, `keystore_level` that of the key. The lists hold native
    values, by the tags of the schema. `packages` and `signers` (SHA-256) belong to the app that made the key, as the
    system states.
    """

    level: str
    keystore_level: str
    challenge: bytes
    software: Authorizations
    hardware: Authorizations
    packages: tuple[str, ...]
    signers: tuple[bytes, ...]


def read(content: bytes) -> KeyDescription:
    """Read a key description. Raises ValueError for everything that does not have the form of the schema."""
    try:
        whole = _KeyDescription.load(content, strict=True)
        _check_complete(whole)
        software = _authorizations(whole["software_enforced"].dump())
        hardware = _authorizations(whole["hardware_enforced"].dump())
        packages, signers = _application(software)
        return KeyDescription(
            whole["level"].native,
            whole["keystore_level"].native,
            whole["challenge"].native,
            software,
            hardware,
            packages,
            signers,
        )
    except (TypeError, KeyError) as error:
        raise ValueError("not the form of a key description") from error


def _loaded(kind: type[core.Asn1Value], content: bytes) -> Any:
    kind.load(content, strict=True).native  # noqa: B018 - parses all of it
    value = kind.load(content, strict=True)
    if isinstance(value, core.Sequence):
        _check_complete(value)
    return value


def _check_complete(value: core.Sequence) -> None:
    """Raise ValueError for fields beyond those of the schema, which the library would accept."""
    if len(value) > len(value._fields):
        raise ValueError("more fields than the schema has")


def _authorizations(content: bytes) -> dict[int, Any]:
    """Return the values of a SEQUENCE of explicitly tagged values, by their tags. Raises ValueError."""
    outer = parser.parse(content, strict=True)
    if outer[:3] != (0, _CONSTRUCTED, core.Sequence.tag):
        raise ValueError("an authorization list is a SEQUENCE")
    found: dict[int, Any] = {}
    rest = outer[4]
    while rest:
        class_, method, tag, head, inside, tail = parser.parse(rest)
        if (class_, method) != (_CONTEXT_CLASS, _CONSTRUCTED) or tag in found:
            raise ValueError("an entry of an authorization list is tagged explicitly, and stands once")
        form = _FORMS.get(tag)
        found[tag] = _loaded(form, inside).native if form else None
        rest = rest[len(head) + len(inside) + len(tail) :]
    return found


def _application(software: Authorizations) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    """Return packages and signers. The system knows the app, so they are in the list that software enforces."""
    if APPLICATION_ID not in software:
        return (), ()
    found = _loaded(ApplicationId, software[APPLICATION_ID])
    names = tuple(package["name"].native.decode("utf-8") for package in found["packages"])
    return names, tuple(found["signature_digests"].native)
