"""Hashes of the scripts that run in a signing browser, for everybody to compare.

They are published at `/.well-known/qianda-scripts.sha256` in the format of `sha256sum`. The hash of that list covers
all scripts; from the source it is computed by

    cd hub/web/static && LC_ALL=C sha256sum signer/*.js | sha256sum

The signing page contains the hash of each script that it loads or imports (Subresource Integrity).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aiohttp import web
from markupsafe import Markup

FOLDER = "signer"
_IMPORT = re.compile(rb"""^import\s[^'"]*['"]\./([a-z_]+\.js)['"]""", re.MULTILINE)


@dataclass(frozen=True)
class Scripts:
    """The scripts by name, such as `signer/sign.js`."""

    contents: Mapping[str, bytes]

    @classmethod
    def read(cls, static: Path) -> Scripts:
        return cls({f"{FOLDER}/{path.name}": path.read_bytes() for path in sorted((static / FOLDER).glob("*.js"))})

    @cached_property
    def listing(self) -> str:
        """The hashes in the format of `sha256sum`."""
        return "".join(f"{hashlib.sha256(text).hexdigest()}  {name}\n" for name, text in sorted(self.contents.items()))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the listing."""
        return hashlib.sha256(self.listing.encode()).hexdigest()

    def tags(self, name: str, static: str) -> Markup:
        """Return the tags that load a script and everything that it imports, each with its hash."""
        preload = Markup('<link rel="modulepreload" href="{}/{}" integrity="{}">')
        script = Markup('<script type="module" src="{}/{}" integrity="{}"></script>')
        imported = [each for each in self._with_imports(name, set()) if each != name]
        tags = [preload.format(static, each, self.integrity(each)) for each in sorted(imported)]
        return Markup("\n").join([*tags, script.format(static, name, self.integrity(name))])

    def integrity(self, name: str) -> str:
        return "sha256-" + b64encode(hashlib.sha256(self.contents[name]).digest()).decode("ascii")

    def _with_imports(self, name: str, seen: set[str]) -> Iterator[str]:
        if name in seen:
            return
        seen.add(name)
        yield name
        for found in _IMPORT.findall(self.contents[name]):
            yield from self._with_imports(f"{FOLDER}/{found.decode()}", seen)


SCRIPTS = web.AppKey("scripts", Scripts)


async def publish_hashes(request: web.Request) -> web.Response:
    return web.Response(text=request.app[SCRIPTS].listing, content_type="text/plain")
