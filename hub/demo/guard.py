"""Keep demo and real hub apart: a demo never reaches real people or data, and a real hub never starts as a demo.

A demo listens only on this machine or, on request, on one private address over HTTPS, so that it can be tried with a
phone in the same network. No part of the demo exists in a real hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from hub.errors import BadInput, DatabaseUnavailable, DemoRefused
from hub.settings import BACKUP_PASSPHRASE, DATABASE_ADMIN, OWN_FILE, PREFIX, Settings, configured_by, shipped_school

DEMO_VARIABLES = "QIANDA_DEMO"
# Private and link-local addresses (RFC 1918, RFC 3927, RFC 4193). Not fe80::/10: such an address is only valid with the
# name of an interface, and no browser opens it.
LAN = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7")))


def check_demo(settings: Settings) -> None:
    """Raise DemoRefused, with the reason and what to do, unless this configuration is allowed for a demo."""
    _check_address(settings)
    if real := sorted(name for name, channel in settings.channels.items() if (channel.kind or name) != "outbox"):
        raise DemoRefused(f"a real channel is configured ({', '.join(real)}): the demo would write to real people")
    if settings.alerts or settings.alerts_file or settings.chats:
        raise DemoRefused("alerts or chats of staff are configured: no message leaves the machine of a demo")
    if settings.authority != "builtin" or settings.authorities:
        named = settings.authority if settings.authority != "builtin" else min(settings.authorities)
        raise DemoRefused(f"the authority {named} is configured: the demo issues trial certificates only")
    if settings.seal.get("kind", "token") != "token":
        raise DemoRefused("the seal is at a signing service: the demo seals with a key of its own")
    if settings.identity != "roster" or settings.identities:
        raise DemoRefused("an identity provider is configured: the demo asks nobody about real people")
    if settings.oidc.issuer:
        raise DemoRefused("a login service is configured: the demo asks nobody about real people")
    if settings.database or settings.database_owner:
        raise DemoRefused("an external database is configured: the demo uses a database of its own")


def _check_address(settings: Settings) -> None:
    if lan_address(settings.host) is not None:
        if settings.public_origin != own_origin(settings):
            raise DemoRefused(
                f"in a network the demo is served over an HTTPS of its own, at {own_origin(settings)}, and not at "
                f"{settings.public_origin}: leave QIANDA_ORIGIN away"
            )
        return
    host = urlsplit(settings.public_origin).hostname or ""
    if not _is_loopback(settings.host) or not _is_loopback(host):
        raise DemoRefused(
            f"the demo listens on this machine alone, not on {settings.host} ({settings.public_origin}): "
            "anybody who reached it could read its messages. Use 127.0.0.1, or this machine's address in a private "
            "network, like HOST=192.168.1.20."
        )


def lan_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address if it is in a private network; None for others, for names and for ranges."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return address if any(address in network for network in LAN) else None


def own_origin(settings: Settings) -> str:
    """Return the origin of a demo on a private address: `https://` and that address."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"https://{host}" + (f":{settings.port}" if settings.port != 443 else "")


def check_demo_database(kind: str) -> None:
    """Raise DemoRefused for a database of another kind. `kind`: see `hub.store.server.installation`."""
    if kind != "demo":
        raise DemoRefused("the database in this data folder was not made by a demo: set QIANDA_DATA to another folder")


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise BadInput for a `QIANDA_…` variable that is no setting: it would be ignored, and a default used."""
    known = [*Settings.variables(), BACKUP_PASSPHRASE, DATABASE_ADMIN]
    for name in sorted(environment):
        upper = name.upper()
        section = upper.partition("__")[0]
        if not upper.startswith(PREFIX) or upper.startswith(DEMO_VARIABLES) or {upper, section} & {*known, OWN_FILE}:
            continue
        near = get_close_matches(upper, [*known, OWN_FILE], n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise BadInput(f"there is no setting {name}.{meant} Correct the variable, or unset it", field=name)


def check_real(settings: Settings) -> None:
    """Raise BadInput, with what to do, for settings with which no real hub may start."""
    _check_school(settings)
    _check_origin(settings)
    check_bind(settings)


def _check_school(settings: Settings) -> None:
    invented = shipped_school()
    ours = settings.school.model_dump()
    same = sorted(name for name, value in invented.items() if value and ours.get(name) == value)
    if same:
        raise BadInput(
            f"[school] is that of the invented demo school ({', '.join(same)}): write the whole section [school] with "
            f"the facts of your school into a file, and name it in {OWN_FILE} (docs/operating.md, Configuration)",
            field="school",
        )


def _check_origin(settings: Settings) -> None:
    """Raise BadInput unless the origin is HTTPS, or on this machine.

    Over plain HTTP everybody on the way can read tickets and codes, and browsers make no keys.
    """
    origin = urlsplit(settings.public_origin)
    if origin.scheme == "https" and origin.hostname:
        return
    if origin.scheme != "http" or not _is_loopback(origin.hostname or ""):
        raise BadInput(
            f"the origin is {settings.public_origin}, and has to begin with https://: set `origin` (QIANDA_ORIGIN) to "
            f"the public address, at which a proxy ends TLS ({configured_by()})",
            field="origin",
        )


def check_bind(settings: Settings) -> None:
    """Raise BadInput if others could reach the plain HTTP of `serve`.

    On another address than this machine's own, only a configured proxy may reach it.
    """
    if anybody := [each for each in settings.trusted_proxies if each.prefixlen == 0]:
        raise BadInput(
            f"trusted_proxies names {anybody[0]}, which is everybody: name the addresses of the proxies alone",
            field="trusted_proxies",
        )
    if _is_loopback(settings.host) or any(not each.is_loopback for each in settings.trusted_proxies):
        return
    raise BadInput(
        f"host is {settings.host}, where others than this machine could reach the hub without TLS: set `host` "
        "(QIANDA_HOST) to 127.0.0.1, with the proxy on this machine; or, where the proxy runs elsewhere (in another "
        "container, say), name its address in trusted_proxies, and let the firewall admit that address alone",
        field="host",
    )


def check_elsewhere(environment: Mapping[str, str], kind: str) -> None:
    """Check that `serve` or `work` neither gets a demo's settings nor serves a demo's database.

    Raises DemoRefused for these, DatabaseUnavailable for a database that was not migrated.
    """
    if names := sorted(name for name in environment if name.startswith(DEMO_VARIABLES)):
        raise DemoRefused(f"{', '.join(names)} is set, which only the command `qianda demo` may know: unset it")
    check_not_demo(kind)
    if not kind:
        raise DatabaseUnavailable("the database is empty: run `qianda migrate` first")


def check_not_demo(kind: str) -> None:
    if kind == "demo":
        raise DemoRefused("the database in this data folder belongs to a demo: only `qianda demo` starts it")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
