"""A link that opens in the school's app, automatically or on a tap.

Automatically: the system asks this host which apps may open its URLs (iOS universal links, Android app links, HarmonyOS
App Linking). On a tap, from the page behind the link: by an `intent:` URL on Android, elsewhere by the app's own
scheme. The web URL would not work there: iOS opens a universal link in the browser if the page has the same domain.

Sources: Apple "Supporting associated domains" (apple-app-site-association), Google "Digital Asset Links"
(assetlinks.json), Huawei "App Linking" (applinking.json), Chrome "Android intents with Chrome", RFC 3986 3.1 (scheme).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from channels import Doorway, Rendering

PATHS = ("/s/*", "/S/*", "/p/*", "/P/*")
# Placeholder for `s/TICKET` or `p/POSTER` in the URL for a tap.
PLACE = "{place}"
_APPLE_APP = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+")
_FINGERPRINT = re.compile(r"([0-9A-Fa-f]{2}:)*[0-9A-Fa-f]{2}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_HARMONY_APP = re.compile(r"[0-9]{5,30}")
_SHA1_BYTES, _SHA256_BYTES = 20, 32
_TAKEN = frozenset(
    "about blob chrome content data facetime file ftp geo http https intent itms itms-apps javascript mailto market "
    "sms tel view-source weixin ws wss".split()
)


# ---- checks of configuration values; each returns the value or raises ValueError with the reason


def checked_scheme(value: str) -> str:
    if not _SCHEME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a URL scheme: a lower-case letter, then lower-case letters, digits, +, - or . (RFC 3986)"
        )
    if value in _TAKEN:
        raise ValueError(f"{value!r} is a general scheme, not that of an app: use the scheme of the school's app")
    return value


def checked_apple_app(value: str) -> str:
    if not _APPLE_APP.fullmatch(value):
        raise ValueError(
            f"{value!r} is not an Apple app id: team id (10 capital letters and digits), a dot and the bundle id, "
            "like A1B2C3D4E5.org.example.school"
        )
    return value


def checked_package(value: str) -> str:
    if not _PACKAGE.fullmatch(value):
        raise ValueError(f"{value!r} is not a package name: two or more words joined by dots, like org.example.school")
    return value


def checked_fingerprint(value: str) -> str:
    """Check a SHA-256 fingerprint and return it in capitals, as Google writes it."""
    octets = value.count(":") + 1
    if not _FINGERPRINT.fullmatch(value):
        raise ValueError(f"{value!r} is not a SHA-256 fingerprint: 32 pairs of hex digits joined by colons")
    if octets != _SHA256_BYTES:
        short = " (20 are SHA-1)" if octets == _SHA1_BYTES else ""
        raise ValueError(f"a SHA-256 fingerprint has {_SHA256_BYTES} pairs of hex digits; here are {octets}{short}")
    return value.upper()


def checked_harmony_app(value: str) -> str:
    if not _HARMONY_APP.fullmatch(value):
        raise ValueError(f"{value!r} is not an AppGallery app identifier: digits only")
    return value


# ---- the door


@dataclass(frozen=True)
class AndroidApp:
    """An Android app. `fingerprints`: SHA-256 of the signing certificates, upper-case hex with colons."""

    package: str
    fingerprints: tuple[str, ...]


@dataclass(frozen=True)
class AppLink:
    """The school's app. `scheme`: its URL scheme. `ios_apps`: full identifiers (`TEAMID.bundle.id`). `harmony_apps`:
    AppGallery identifiers."""

    scheme: str
    ios_apps: Sequence[str] = ()
    android_apps: Sequence[AndroidApp] = ()
    harmony_apps: Sequence[str] = ()

    def render(self, doorway: Doorway) -> Rendering:
        return Rendering(doorway.url, app_url=f"{self.scheme}://s/{doorway.ticket}")

    def on_tap(self) -> str:
        """Return the URL for a tap with the app's own scheme, containing PLACE."""
        return f"{self.scheme}://{PLACE}"

    def intent_on_tap(self, origin: str) -> str:
        """Return the URL for a tap on Android. A phone without the app returns to the page with `?app=none`."""
        package = f"package={self.android_apps[0].package};" if self.android_apps else ""
        fallback = quote(f"{origin}/{PLACE}?app=none", safe=PLACE)
        return f"intent://{PLACE}#Intent;scheme={self.scheme};{package}S.browser_fallback_url={fallback};end"

    def apple_association(self) -> dict[str, Any]:
        """Return the body of `/.well-known/apple-app-site-association`."""
        components = [{"/": path, "caseSensitive": False} for path in PATHS]
        details = [{"appIDs": list(self.ios_apps), "components": components}] if self.ios_apps else []
        return {"applinks": {"details": details}}

    def asset_links(self) -> list[dict[str, Any]]:
        """Return the body of `/.well-known/assetlinks.json`.

        The format has no paths: the app itself lists them, in upper and lower case, since Android is case-sensitive.
        """
        return [
            {
                "relation": ["delegate_permission/common.handle_all_urls"],
                "target": {
                    "namespace": "android_app",
                    "package_name": app.package,
                    "sha256_cert_fingerprints": list(app.fingerprints),
                },
            }
            for app in self.android_apps
        ]

    def app_linking(self) -> dict[str, Any]:
        """Return the body of `/.well-known/applinking.json`."""
        return {"applinking": {"apps": [{"appIdentifier": app} for app in self.harmony_apps]}}
