"""Unpack the items of an evidence package. `qianda.zip_archive` reads the ZIP archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qianda.evidence.reasons import BadPackage
from qianda.zip_archive import UnreadableZip, ZipRules, check_no_pdf, read_members

# The folder of manifests, signatures and evidence records, which no digest of a manifest covers in full.
META: Final = "META-INF/"
MAX_ITEMS = 4096
MAX_ITEM_BYTES = 128 << 20
MAX_TOTAL_BYTES = 256 << 20
# The highest compression ratio allowed. Genuine content never compresses this well.
MAX_RATIO = 400
RULES = ZipRules(MAX_ITEMS, MAX_ITEM_BYTES, MAX_TOTAL_BYTES, max_ratio=MAX_RATIO)


@dataclass(frozen=True)
class PackageItem:
    """One item. `plain`: it is not compressed, and has neither extra fields nor a data descriptor."""

    name: str
    content: bytes
    plain: bool


def read_items(data: bytes, rules: ZipRules = RULES) -> list[PackageItem]:
    """Return the items in the order of the file. Raises BadPackage."""
    try:
        members = read_members(data, rules)
        check_no_pdf(data, (each for each in members if not each.name.startswith(META)))
        return [PackageItem(each.name, each.read(), each.plain) for each in members]
    except UnreadableZip as error:
        raise BadPackage(error.reason) from error
