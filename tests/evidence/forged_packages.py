"""Forty forged packages of ten kinds, each made from a genuine one by somebody who has everything but the keys."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator

from hub.documents.evidence.container import signed_manifest
from hub.documents.evidence.hash_tree import (
    last_timestamp_digest,
    renewed_digests,
    with_renewed_timestamp,
    with_renewed_tree,
)
from qianda.evidence.container import PROOF, SIGNATURE, SIGNED_MANIFEST
from qianda.evidence.items import read_items
from tests.evidence.small_package import ITEMS, LIST, SmallPackage, package_of, proven
from tests.signing_parts import Pki

Items = dict[str, bytes]


def items_of(package: bytes) -> Items:
    return {item.name: item.content for item in read_items(package)}


def zipped(items: Iterable[tuple[str, bytes]], *, packed: bool = True) -> bytes:
    """Write a ZIP file. Names may be there twice, and may be any."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as package:
        warnings.simplefilter("ignore")
        for name, content in items:
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.compress_type = zipfile.ZIP_DEFLATED if packed and name != "mimetype" else zipfile.ZIP_STORED
            package.writestr(info, content)
    return file.getvalue()


async def forgeries(package: SmallPackage) -> dict[str, list[bytes]]:
    """Return the forged packages by their kind."""
    other = await package_of({**package.items, "contract/final.pdf": b"%PDF-1.7 another contract"}, package.pki)
    genuine = items_of(package.proven)
    return {
        "exchanged": [zipped({**genuine, name: genuine[name] + b" "}.items()) for name in ITEMS],
        "reordered": [zipped(swapped(genuine, name).items()) for name in [*list(ITEMS)[1:], LIST]],
        "missing": [zipped((name, each) for name, each in genuine.items() if name != gone) for gone in ITEMS],
        "added": [zipped([*items_of(package.file).items(), (name, b"more")]) for name in NEW],
        "of another contract": list(mixed(genuine, items_of(other))),
        "wrong evidence record": await wrong_records(package, other),
        "of an unknown authority": [await unknown(package, number) for number in range(4)],
        "twice": [zipped([*genuine.items(), (name, b"more")]) for name in TWICE],
        "outside of the folder": [zipped([*genuine.items(), (name, b"more")]) for name in OUTSIDE],
        "read in two ways": list(two_ways(package.proven)),
    }


NEW = ("contract/second.pdf", "note.txt", "META-INF/signature002.p7s", "META-INF/container.xml")
TWICE = ("contract/final.pdf", "check.md", "META-INF/ASiCManifest001.xml", "CHECK.md/more")
OUTSIDE = ("../outside.txt", "/etc/outside", "contract\\..\\outside", "contract/./outside")


def swapped(items: Items, name: str) -> Items:
    return {**items, "contract/final.pdf": items[name], name: items["contract/final.pdf"]}


def mixed(genuine: Items, other: Items) -> Iterator[bytes]:
    """Yield packages with a manifest or a signature of another contract of the same school."""
    yield zipped({**genuine, SIGNED_MANIFEST: other[SIGNED_MANIFEST], SIGNATURE: other[SIGNATURE]}.items())
    yield zipped({**genuine, SIGNATURE: other[SIGNATURE]}.items())
    yield zipped({**genuine, SIGNED_MANIFEST: other[SIGNED_MANIFEST]}.items())
    changed = {
        **{name: genuine[name] for name in genuine if not name.startswith(("META-INF/", "mimetype"))},
        "contract/final.pdf": other["contract/final.pdf"],
    }
    yield zipped({**genuine, **changed, SIGNED_MANIFEST: signed_manifest(changed)}.items())


async def wrong_records(package: SmallPackage, other: bytes) -> list[bytes]:
    """Return packages whose evidence record is of another package, has a wrong hash, or is renewed wrongly."""
    genuine, stamps = items_of(package.proven), package.pki.timestamps
    record = genuine[PROOF]
    digests = renewed_digests(record, list(package.items.values()), "sha512")
    records = (
        items_of(await proven(other, package.pki))[PROOF],
        record.replace(record[60:64], bytes(4)),
        with_renewed_timestamp(record, await stamps.timestamp(bytes(32))),
        with_renewed_tree(record, digests, "sha512", await stamps.timestamp(last_timestamp_digest(record))),
    )
    return [zipped({**genuine, PROOF: each}.items()) for each in records]


async def unknown(package: SmallPackage, number: int) -> bytes:
    """Return a package that an authority signed which has the same names, as it is or with its evidence record."""
    theirs, items = await Pki.make(package.pki.clock), dict(package.items)
    items.pop(LIST, None)
    ours = package.pki
    mixes = (
        theirs,
        Pki(theirs.authority, ours.timestamps, theirs.seal_key, theirs.seal, ours.clock),
        Pki(ours.authority, ours.timestamps, theirs.seal_key, ours.seal, ours.clock),  # another key than certified
        Pki(ours.authority, theirs.timestamps, ours.seal_key, ours.seal, ours.clock),
    )
    return await package_of(items, mixes[number])


def two_ways(package: bytes) -> Iterator[bytes]:
    """Yield files that one reader takes for the genuine package, and another for something else."""
    yield b"#!/bin/sh\n" + package
    yield package + zipped({**items_of(package), "CHECK.md": b"echo ALL CHECKS PASSED"}.items())
    at = package.index(b"PK\3\4", 10)
    yield package[: at + 14] + struct.pack("<L", 1) + package[at + 18 :]  # another checksum in the local header
    name = package.index(b"contract/final.pdf")
    yield package[:name] + b"contract/other.pdf" + package[name + 18 :]
