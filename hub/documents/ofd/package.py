"""Write the ZIP container of an OFD. The same members give the same bytes: the time of writing is not stored."""

from __future__ import annotations

from collections.abc import Mapping

from hub.documents.zip_writer import PackedMember, copy_member, pack_member, write_zip
from qianda.ofd.container import OfdContainer

# Files that are already compressed, or too short to gain from it.
_STORED_ENDINGS = (".png", ".jpg", ".jpeg", ".dat", ".esl")
_WORTH_PACKING = 128


def write_package(members: Mapping[str, bytes]) -> bytes:
    """Return a new OFD with these members, in this order."""
    return write_zip(_pack(name, data) for name, data in members.items())


def change_package(container: OfdContainer, changed: Mapping[str, bytes]) -> bytes:
    """Return the OFD with some members replaced and new ones at its end; all others are copied."""
    kept = [
        copy_member(member) if name not in changed else _pack(name, changed[name]) for name, member in container.items()
    ]
    return write_zip([*kept, *(_pack(name, data) for name, data in changed.items() if name not in container)])


def _pack(name: str, data: bytes) -> PackedMember:
    return pack_member(name, data, is_stored=len(data) < _WORTH_PACKING or name.endswith(_STORED_ENDINGS))
