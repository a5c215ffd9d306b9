"""Resolve locations (ST_Loc, GB/T 33190, 6.1), by which one part of an OFD names another."""

from __future__ import annotations

import contextlib
from collections.abc import Container

from qianda.ofd import NotAnOfd


def resolve(location: str, base: str, members: Container[str]) -> str:
    """Return the member to which `location`, written in the part `base`, leads.

    A leading slash means the root of the container; otherwise it is the folder of `base`. Some programs omit the slash.
    Therefore a location that does not exist next to `base` is looked up from the root, then from the document's folder.
    If that fails too, the first result is returned. Raises NotAnOfd for a location that leads outside, or, since
    programs would choose differently, to several members.
    """
    location = location.strip().replace("\\", "/")
    if location.startswith("/"):
        return _normalise(location.split("/"), location)
    folders = base.split("/")[:-1]
    readings = [[*folders, *location.split("/")], location.split("/"), [*folders[:1], *location.split("/")]]
    names = dict[str, None]()  # in this order, each once
    for parts in readings:
        with contextlib.suppress(NotAnOfd):
            names[_normalise(parts, location)] = None
    if not names:
        raise NotAnOfd(f"{location!r}：位置在文件之外", f"{location!r}: a location outside of the file")
    existing = [name for name in names if name in members]
    if len(existing) > 1:
        raise NotAnOfd(f"{location!r}：位置可指多个文件", f"{location!r}: a location of several files")
    return next(iter(existing or names))


def _normalise(parts: list[str], location: str) -> str:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            if not kept:
                raise NotAnOfd(f"{location!r}：位置在文件之外", f"{location!r}: a location outside of the file")
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept)
