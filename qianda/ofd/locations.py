"""Locations (ST_Loc, GB/T 33190, 6.1): how one part of an OFD names another."""

from __future__ import annotations

from collections.abc import Container

from qianda.ofd import NotAnOfd


def resolve(location: str, base: str, members: Container[str]) -> str:
    """Return the member that `location`, which stands in the part `base`, names.

    A leading slash means the root of the container, anything else the folder of `base`. Some makers leave the slash
    out: a location that names nothing beside `base` is read from the root, then from the document's folder. If nothing
    is there either, the first reading is returned. Raises NotAnOfd for a location that leads outside.
    """
    location = location.strip().replace("\\", "/")
    if location.startswith("/"):
        return _normalise(location.split("/"), location)
    folders = base.split("/")[:-1]
    readings = [[*folders, *location.split("/")], location.split("/"), [*folders[:1], *location.split("/")]]
    first = ""
    for parts in readings:
        try:
            name = _normalise(parts, location)
        except NotAnOfd:
            continue
        first = first or name
        if name in members:
            return name
    if not first:
        raise NotAnOfd(f"{location!r}: a location outside of the file")
    return first


def _normalise(parts: list[str], location: str) -> str:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            if not kept:
                raise NotAnOfd(f"{location!r}: a location outside of the file")
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept)
