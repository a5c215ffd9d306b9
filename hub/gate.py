"""The demo's gate: a demo never gets near real people or real data, and nothing of it exists elsewhere.

Stricter than it might be: a demo on a LAN address with an HTTPS of its own is refused as well."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from hub.errors import DatabaseUnavailable, DemoRefused
from hub.settings import Settings

DEMO_VARIABLES = "QIANDA_DEMO"


def check_demo(settings: Settings) -> None:
    """Raise DemoRefused, with the reason and what to do, unless this configuration is fit for a demo."""
    host = urlsplit(settings.public_origin).hostname or ""
    if not _is_loopback(settings.host) or not _is_loopback(host):
        raise DemoRefused(
            f"the demo listens on this machine alone, not on {settings.host} ({settings.public_origin}): "
            "anybody who reached it could read its messages. Use 127.0.0.1."
        )
    if real := sorted(name for name, channel in settings.channels.items() if (channel.kind or name) != "outbox"):
        raise DemoRefused(f"a real channel is configured ({', '.join(real)}): the demo would write to real people")
    if settings.alerts or settings.alerts_file or settings.chats:
        raise DemoRefused("alerts or chats of staff are configured: no message leaves the machine of a demo")
    if settings.authority != "builtin":
        raise DemoRefused(f"the authority {settings.authority} is configured: the demo issues trial certificates only")
    if settings.database or settings.database_owner:
        raise DemoRefused("an external database is configured: the demo uses a database of its own")


def check_demo_database(kind: str) -> None:
    """`kind` is what the database says of itself; see `hub.store.installation`."""
    if kind != "demo":
        raise DemoRefused("the database in this data folder was not made by a demo: set QIANDA_DATA to another folder")


def check_elsewhere(environment: Mapping[str, str], kind: str) -> None:
    """For `serve` and `work`: nothing of a demo may be set, and no demo's database may be served.

    Raises DemoRefused for these, DatabaseUnavailable for a database that was not made ready.
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
