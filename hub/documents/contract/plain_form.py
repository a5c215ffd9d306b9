"""Rewrite any PDF in the narrow form that Qianda signs (docs/file-format.md): the same pages, and a fixed place for
every byte. For limited children, because the PDF may come from a stranger."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import pikepdf

HEAD: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\n"
# Keys whose value is only a font's readable name. Odd characters in it, which Chinese programs write, are replaced.
FONT_NAMES: Final = ("/BaseFont", "/FontName", "/FontFamily")
# Parts that do not belong to the pages, or are rewritten.
LEFT_OUT: Final = (
    *"/AcroForm /OpenAction /AA /Perms /DSS /Metadata /Extensions /Names /Collection".split(),
    "/ViewerPreferences",
)
# Replaces a colour profile (ISO 32000-2 8.6.5.5), which not all programs apply; by its number of components.
DEVICE_COLOURS: Final = {1: b"/DeviceGray", 3: b"/DeviceRGB", 4: b"/DeviceCMYK"}
MAX_NAME_LENGTH: Final = 120
MAX_OBJECTS: Final = 20_000
_FRACTION: Final = Decimal("0.0000001")
# Characters that must be written with `#` in a name (ISO 32000-2 7.3.5).
_ODD: Final = re.compile(r"[^!-~]|[#%()/<>\[\]{}]")


def write_plain_form(document: pikepdf.Pdf, about: Mapping[str, str]) -> bytes:
    """Return the PDF. `about`: the document's metadata, by name. Raises ValueError for names that cannot be kept."""
    for name in LEFT_OUT:
        if name in document.Root:
            del document.Root[name]
    _rename_roles(document)
    return _Writer().write(document.Root, about)


def _rename_roles(document: pikepdf.Pdf) -> None:
    """Replace odd characters in names of structure types, which come from the author's styles (`/Heading 1`)."""
    tree = document.Root.get("/StructTreeRoot")
    if not isinstance(tree, pikepdf.Dictionary):
        return
    roles = tree.get("/RoleMap")
    if isinstance(roles, pikepdf.Dictionary):
        tree.RoleMap = pikepdf.Dictionary({_plain_role(name): _plain_role(role) for name, role in roles.items()})
    for found in document.objects:
        if isinstance(found, pikepdf.Dictionary) and found.get("/Type") == "/StructElem":
            found.S = _plain_role(found.S)


def _plain_role(name: Any) -> Any:
    """Return the name with each odd character replaced by its number. Anything that is not a name is returned
    unchanged."""
    if not isinstance(name, str | pikepdf.Name):
        return name
    plain = "/" + _ODD.sub(lambda odd: f"_{ord(odd[0]):x}_", str(name)[1:])
    return plain if isinstance(name, str) else pikepdf.Name(plain)


class _Writer:
    """A writer that numbers the objects in the order in which they are referred to. The catalog is the first one."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._waiting: list[Any] = []

    def write(self, root: Any, about: Mapping[str, str]) -> bytes:
        self._number(root)
        bodies = list(self._bodies())
        bodies.append(
            b"<<" + b"\n".join(b"/%s %s" % (name.encode(), _text(text)) for name, text in about.items()) + b">>"
        )
        file, places = bytearray(HEAD), []
        for number, body in enumerate(bodies, 1):
            places.append(len(file))
            file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        table, mark = len(file), hashlib.sha256(file).hexdigest()[:32].encode()
        file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
        file += b"".join(b"%010d 00000 n \n" % place for place in places)
        file += b"trailer\n<</ID [<%s><%s>]\n/Info %d 0 R\n/Root 1 0 R\n" % (mark, mark, len(bodies))
        file += b"/Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, table)
        return bytes(file)

    def _bodies(self) -> Iterator[bytes]:
        while self._waiting:
            found = self._waiting.pop(0)
            if isinstance(found, pikepdf.Stream):
                data = found.read_raw_bytes()
                entries = {key: value for key, value in found.stream_dict.items() if key != "/Length"}
                head = self._entries({**entries, "/Length": len(data)})
                yield head + b"\nstream\n" + data + b"\nendstream"
            else:
                yield self._inside(found, "")

    def _number(self, found: Any) -> int:
        if found.objgen not in self._numbers:
            if len(self._numbers) >= MAX_OBJECTS:
                raise ValueError("the PDF has too many parts")
            self._numbers[found.objgen] = len(self._numbers) + 1
            self._waiting.append(found)
        return self._numbers[found.objgen]

    def _value(self, found: Any, key: str) -> bytes:
        if isinstance(found, pikepdf.Object) and found.is_indirect:
            return b"%d 0 R" % self._number(found)
        return self._inside(found, key)

    def _inside(self, found: Any, key: str) -> bytes:
        if isinstance(found, pikepdf.Dictionary):
            return self._entries(dict(found.items()))
        if isinstance(found, pikepdf.Array):
            if len(found) == 2 and found[0] == "/ICCBased":
                return DEVICE_COLOURS[int(found[1].N)]
            return b"[" + b" ".join(self._value(each, key) for each in found) + b"]"
        if isinstance(found, pikepdf.Name):
            return _name(str(found), key)
        if isinstance(found, pikepdf.String):
            return b"<" + bytes(found).hex().encode() + b">"
        return _plain(found)

    def _entries(self, entries: Mapping[str, Any]) -> bytes:
        lines = (_name(key, "") + b" " + self._value(value, key) for key, value in entries.items() if value is not None)
        return b"<<" + b"\n".join(lines) + b">>"


def _name(name: str, key: str) -> bytes:
    if key in FONT_NAMES:
        name = "/" + _ODD.sub("_", name[1:])
    if _ODD.search(name, 1) or not 1 < len(name) <= MAX_NAME_LENGTH:
        raise ValueError("the PDF has names that cannot be kept: print it into a PDF with another program")
    return name.encode()


def _plain(found: object) -> bytes:
    if found is None:
        return b"null"
    if isinstance(found, bool):
        return b"true" if found else b"false"
    if isinstance(found, Decimal | float):
        text = format(Decimal(found).quantize(_FRACTION), "f").rstrip("0")
        return (text + "0" if text.endswith(".") else text).encode()
    if isinstance(found, int):
        return b"%d" % found
    raise ValueError("the PDF has values that cannot be kept")


def _text(text: str) -> bytes:
    return b"<" + (b"\xfe\xff" + text.encode("utf-16-be")).hex().encode() + b">"
