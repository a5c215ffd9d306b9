"""Changes to a sealed OFD that no verifier may accept: of a byte in a covered member, and of the members themselves."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator

from qianda.ofd.container import OfdContainer
from qianda.ofd.signature_parts import read_document
from tests.ofd.plain import members_of

ADDED = ("Doc_0/Pages/Page_9/Content.xml", "Doc_0/Signs/extra.xml", "Doc_0/Signs/Sign_0/Seal2.esl", "extra", "META/x")


def changed_files(ofd: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield `count` files with one changed byte each in a member that every signature covers or protects, in turn
    over all of them, or with one member more; and the name of what changed."""
    chance = random.Random(seed)
    members = members_of(ofd)
    free = read_document(OfdContainer(ofd)).signatures_member
    covered = [name for name in members if name != free]
    for number in range(count):
        if number % 10 == 9:
            name = f"{chance.choice(ADDED)}{number}"
            yield f"+{name}", _packed(members | {name: chance.randbytes(chance.randrange(40))})
            continue
        name = covered[number % len(covered)]
        data = bytearray(members[name])
        at = chance.randrange(len(data))
        data[at] ^= chance.randrange(1, 256)
        yield f"{name}[{at}]", _packed(members | {name: bytes(data)})


def _packed(members: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return output.getvalue()
