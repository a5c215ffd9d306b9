"""The quick reader of plans and qpdf agree about every file that both take; what the quick one leaves, qpdf decides."""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Callable

import pikepdf
import pytest

from hub.documents.pades.plain_source import NotPlain, read_plain_plan
from hub.documents.pades.plan import CannotUpdate, Plan
from hub.documents.pades.source import read_any_plan, read_plan
from tests.pades.contracts import PROFILES, contract
from tests.pades.made import good
from tests.signing_parts import sample_pdf

TABLE = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*\Z")


def table_of(file: bytes) -> int | None:
    found = TABLE.search(file)
    return int(found[1]) if found else None


def quickly(file: bytes) -> Plan | None:
    table = table_of(file)
    try:
        return read_plain_plan(file, {0}, table) if table is not None else None
    except NotPlain:
        return None


def thoroughly(file: bytes) -> Plan | None:
    table = table_of(file)
    try:
        return read_any_plan(file, {0}, table) if table is not None else None
    except CannotUpdate:
        return None


@pytest.mark.parametrize("profile", PROFILES)
def test_both_read_the_same_in_our_own_files(profile: str) -> None:
    for file in contract(profile, "own").revisions.values():
        plan = quickly(file)
        assert plan is not None and plan == thoroughly(file)


LEFT: dict[str, Callable[[bytes], bytes]] = {
    "another kind of table": lambda file: saved(file, object_stream_mode=pikepdf.ObjectStreamMode.generate),
    "encrypted": lambda file: saved(file, encryption=pikepdf.Encryption(owner="a", user="", R=6)),
    "a comment": lambda file: file.replace(b"/Type /Catalog", b"/Type%Catalog\n"),
    "an escape in a name": lambda file: file.replace(b"/Type /Catalog", b"/Type /Catalo#67"),
    "a name twice": lambda file: file.replace(b"/MediaBox", b"/Contents"),
    "a reference to nothing": lambda file: file.replace(b"/Contents 4 0 R", b"/Contents 9 0 R"),
    "another generation": lambda file: file.replace(b"/Pages 2 0 R", b"/Pages 2 1 R"),
    "a row that leads elsewhere": lambda file: file.replace(b"0000000015", b"0000000016"),
    "a row of what is not needed that leads elsewhere": lambda file: file.replace(
        b"%010d" % file.index(b"5 0 obj"), b"%010d" % file.index(b"6 0 obj")
    ),
    "a row of another form": lambda file: file.replace(b" 00000 n \n", b" 00000 n\n "),
    "both kinds of tables": lambda file: file.replace(b"trailer\n<< ", b"trailer\n<< /XRefStm 9 "),
}


def saved(pdf: bytes, **how: object) -> bytes:
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(written, **how)  # type: ignore[arg-type]
    return written.getvalue()


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_not_plain_is_left_to_qpdf(kind: str) -> None:
    assert quickly(sample_pdf()) is not None
    file = LEFT[kind](sample_pdf())
    assert file != sample_pdf() and quickly(file) is None


def test_both_read_an_id_that_is_written_as_text() -> None:
    """Typst writes it so, in Base64."""
    file = sample_pdf().replace(b"trailer\n<< ", b"trailer\n<< /ID [(a+b/c==)(x)] ")
    plan = quickly(file)
    assert plan is not None and plan.ids == (b"a+b/c==".hex(), b"x".hex()) and plan == thoroughly(file)


def test_no_damage_is_read_in_two_ways(figures: Callable[..., None]) -> None:
    """One byte or two of a file changed, left out or put in, mostly where its structure is written."""
    rng, files, counted = random.Random(7), list(good().revisions.values()), Counter[str]()
    for _ in range(1500):
        file = damaged(rng.choice(files), rng)
        quick, thorough = quickly(file), thoroughly(file)
        if quick is not None and thorough is not None:
            assert quick == thorough
        verdict = {False: "left", True: "alike" if thorough is not None else "taken alone"}[quick is not None]
        counted[verdict] += 1
    figures(**{f"damaged files {verdict}": count for verdict, count in counted.items()})
    assert counted["alike"] > 100 and counted["left"] > 500


def damaged(file: bytes, rng: random.Random) -> bytes:
    changed = bytearray(file)
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(changed))
        while changed[max(0, place - 8) : place + 8].count(b"0") > 13:
            place = rng.randrange(len(changed))
        kind = rng.random()
        if kind < 0.5:
            changed[place] = rng.choice(b"0123456789 \n/<>[]()RTnfabcZ%#\\\r\t\0")
        elif kind < 0.75:
            changed[place] ^= 1 << rng.randrange(8)
        elif kind < 0.9:
            del changed[place]
        else:
            changed.insert(place, rng.choice(b"0123456789 \n/<>[]()R"))
    return bytes(changed)


def test_a_file_of_pyhanko_is_read_by_qpdf() -> None:
    made = contract("one signer", "pyhanko")
    for file in made.revisions.values():
        assert read_plan(file) == read_any_plan(file, set(), table_of(file) or 0)


def test_a_number_in_place_of_an_identifier_takes_no_memory() -> None:
    """`bytes` of a number would be that many zeros."""
    file = re.sub(rb"/ID ?\[<[0-9a-f]+>", lambda found: b"/ID [99999999999999".ljust(len(found[0])), good().final)
    assert b"/ID [9999" in file
    with pytest.raises(CannotUpdate, match="something else"):
        read_any_plan(file, {0}, table_of(file) or 0)
