"""A link that the school's app opens by itself (iOS universal links, Android app links), or by its own scheme on a tap.

Sources: Apple "Supporting associated domains" (apple-app-site-association), Google Digital Asset Links
(assetlinks.json).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from channels import Doorway, Rendering

PATHS = ("/s/*", "/S/*", "/p/*", "/P/*")


@dataclass(frozen=True)
class AndroidApp:
    """`fingerprints` are SHA-256 of the signing certificates, upper-case hex with colons."""

    package: str
    fingerprints: tuple[str, ...]


@dataclass(frozen=True)
class AppLink:
    """`scheme` is the app's own URL scheme; `ios_apps` are full identifiers (`TEAMID.bundle.id`)."""

    scheme: str
    ios_apps: Sequence[str] = ()
    android_apps: Sequence[AndroidApp] = ()

    def render(self, doorway: Doorway) -> Rendering:
        return Rendering(doorway.url, app_url=f"{self.scheme}://s/{doorway.ticket}")

    def apple_association(self) -> dict[str, Any]:
        """The body of `/.well-known/apple-app-site-association`."""
        components = [{"/": path, "caseSensitive": False} for path in PATHS]
        details = [{"appIDs": list(self.ios_apps), "components": components}] if self.ios_apps else []
        return {"applinks": {"details": details}}

    def asset_links(self) -> list[dict[str, Any]]:
        """The body of `/.well-known/assetlinks.json`."""
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
