"""A link that the school's app opens by itself, or on a tap.

By itself: the system asks this host which apps may open its addresses (iOS universal links, Android app links,
HarmonyOS App Linking). On a tap, from the page behind the link: by an `intent:` address on Android, elsewhere by the
app's own scheme. Not by the web address again: iOS leaves a universal link in the browser when the page that it stands
on has the same domain.

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
# Stands in an address for a tap where `s/TICKET` or `p/POSTER` goes.
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


# ---- the forms that the configuration has to keep; each returns the value or raises ValueError with the reason


def checked_scheme(value: str) -> str:
    if not _SCHEME.fullmatch(value):
        raise ValueError(f"{value!r} is no scheme: a small letter, then small letters, digits, +, - or . (RFC 3986)")
    if value in _TAKEN:
        raise ValueError(f"{value!r} belongs to every phone, not to an app: name the school's own scheme")
    return value


def checked_apple_app(value: str) -> str:
    if not _APPLE_APP.fullmatch(value):
        raise ValueError(
            f"{value!r} is no app of Apple's: the team's id (10 capital letters and digits), a dot and the bundle id, "
            "like A1B2C3D4E5.org.example.school"
        )
    return value


def checked_package(value: str) -> str:
    if not _PACKAGE.fullmatch(value):
        raise ValueError(f"{value!r} is no package name: two words or more, with dots between, like org.example.school")
    return value


def checked_fingerprint(value: str) -> str:
    """In capitals, as Google writes it."""
    octets = value.count(":") + 1
    if not _FINGERPRINT.fullmatch(value):
        raise ValueError(f"{value!r} is no fingerprint: 32 pairs of hex digits with colons between, of SHA-256")
    if octets != _SHA256_BYTES:
        short = " (20 are SHA-1)" if octets == _SHA1_BYTES else ""
        raise ValueError(f"a SHA-256 fingerprint has {_SHA256_BYTES} pairs of hex digits; here are {octets}{short}")
    return value.upper()


def checked_harmony_app(value: str) -> str:
    if not _HARMONY_APP.fullmatch(value):
        raise ValueError(f"{value!r} is no app identifier of AppGallery: digits only")
    return value


# ---- the door


@dataclass(frozen=True)
class AndroidApp:
    """`fingerprints` are SHA-256 of the signing certificates, upper-case hex with colons."""

    package: str
    fingerprints: tuple[str, ...]


@dataclass(frozen=True)
class AppLink:
    """`scheme` is the app's own URL scheme; `ios_apps` are full identifiers (`TEAMID.bundle.id`), `harmony_apps` the
    identifiers that AppGallery gave."""

    scheme: str
    ios_apps: Sequence[str] = ()
    android_apps: Sequence[AndroidApp] = ()
    harmony_apps: Sequence[str] = ()

    def render(self, doorway: Doorway) -> Rendering:
        return Rendering(doorway.url, app_url=f"{self.scheme}://s/{doorway.ticket}")

    def on_tap(self) -> str:
        """The address for a tap, with PLACE in it, where the app's own scheme is the way."""
        return f"{self.scheme}://{PLACE}"

    def intent_on_tap(self, origin: str) -> str:
        """The same for Android. A phone without the app comes back to the page, which says so by `?app=none`."""
        package = f"package={self.android_apps[0].package};" if self.android_apps else ""
        fallback = quote(f"{origin}/{PLACE}?app=none", safe=PLACE)
        return f"intent://{PLACE}#Intent;scheme={self.scheme};{package}S.browser_fallback_url={fallback};end"

    def apple_association(self) -> dict[str, Any]:
        """The body of `/.well-known/apple-app-site-association`."""
        components = [{"/": path, "caseSensitive": False} for path in PATHS]
        details = [{"appIDs": list(self.ios_apps), "components": components}] if self.ios_apps else []
        return {"applinks": {"details": details}}

    def asset_links(self) -> list[dict[str, Any]]:
        """The body of `/.well-known/assetlinks.json`. Its form knows no paths: the app names them itself, in both
        cases, because Android compares them case by case."""
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
        """The body of `/.well-known/applinking.json`."""
        return {"applinking": {"apps": [{"appIdentifier": app} for app in self.harmony_apps]}}
