"""The page's reader of PDF files and the verifier's accept the same files, and see the same objects in them."""

from __future__ import annotations

import base64
import json
import random
import re
import subprocess

import pytest

from qianda.pdf import NotOurForm, read_revisions
from qianda.pdf.objects import MAX_DEPTH
from tests.browser.test_update_check import MODULES, NODE
from tests.browser.update_files import NEW, Revision, next_trailer
from tests.verify.sample_page import PDF

FILES, SEED = 3000, 20261203
NUMBERS = b"-0 -.5 1. .5 1.0 +1 0000000000000001 9007199254740991 9007199254740992 01".split()
NAMES = [
    b"/",
    b"/A#20",
    b"/\xa0",
    b"/A/B",
    b"true",
    b"trueA",
    b"null",
    b"1 0 R",
    b"1 0 Rx",
    b"1 1 R",
    b"1  0 R",
    b"01 0 R",
]
TEXTS = [
    b"(a\\1)",
    b"(a\\101)",
    b"(\\400)",
    b"(\\377)",
    b"(a\nb)",
    b"(a\tb)",
    b"(\x7f)",
    b"(\x80)",
    b"(())",
    b"(\\()",
    b"(",
    b")",
]
TEXTS += [
    b"<>",
    b"<4>",
    b"<41>",
    b"<4 1>",
    b"<AG>",
    b"(1 0 obj)",
    b"(endobj)",
    b"(trailer <<)",
    b"(trailer\x0b<<)",
    b"(trailer\x1c<<)",
    b"(trailer\xa0<<)",
]
DEEP = [
    b"[" * depth + inside + b"]" * depth
    for depth in range(MAX_DEPTH - 2, MAX_DEPTH + 1)
    for inside in (b"", b"(x)", b"<41>")
]
LISTS = [b"[", b"]", b"<<", b">>", b"<< /A 1 /A 2 >>", b"% c\n", b"\t", b"\r", b"\0", b"\x0b", b"/Linearized 1", *DEEP]
DATA = [b"", b"x", b"endobj", b"\nendstream", b"1 0 obj", b"1 0\x0bobj", b"trailer\x1c<<", b"\xa0"]
IN_NODE = """
import { readFileSync } from 'node:fs';
import { readRevisions } from './pdf_revisions.js';
import { textOf } from './pdf_objects.js';
console.log(JSON.stringify(JSON.parse(readFileSync(0)).map((file) => {
  try {
    return readRevisions(textOf(Buffer.from(file, 'base64'))).map(({ objects, end }) => [[...objects.keys()], end]);
  } catch {
    return null;
  }
})));
"""


def odd_file(chance: random.Random) -> bytes:
    """Return a file with a second revision that is, in most cases, not quite right."""
    values = b" ".join(
        chance.choice(chance.choice((NUMBERS, NAMES, TEXTS, LISTS))) for _ in range(chance.randrange(1, 4))
    )
    data = chance.choice(DATA)
    length = chance.choice((b"%d", b"%d.0", b"0%d", b"+%d")) % (len(data) + chance.choice((0, 0, 0, 1)))
    entries = chance.choice((b"", b"/Type /XRef", b"/F null", b"/Type /Catalog"))
    stream = b"<< /Length %b %b >>\nstream\n%b\nendstream" % (length, entries, data)
    body = chance.choice((values, b"[%b]" % values, b"[%b]" % values, b"<< /A %b >>" % values, stream))
    file = Revision(PDF, {NEW: body}, next_trailer(PDF)).write()
    places = list(re.finditer(rb"\d+|[ \n]", file[len(PDF) :]))
    match chance.randrange(4):
        case 0:
            at = chance.randrange(len(file))
            return (
                file[:at] + bytes([chance.choice(b" \n\r\t\0\x0b015<>[]()/%xR\xa0")]) + file[at + chance.randrange(2) :]
            )
        case 1:
            start, end = (len(PDF) + each for each in chance.choice(places).span())
            return file[:start] + chance.choice((b"0", b"00", b"\r\n", b"  ", b"", b"10000000")) + file[end:]
    return file


def seen_by_verifier(file: bytes) -> list[list[object]] | None:
    try:
        return [[list(each.objects), each.end] for each in read_revisions(file)]
    except NotOurForm:
        return None


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_both_readers_accept_the_same_files() -> None:
    chance = random.Random(SEED)
    files = [odd_file(chance) for _ in range(FILES)]
    encoded = json.dumps([base64.b64encode(file).decode() for file in files])
    command = [str(NODE), "--input-type=module", "--eval", IN_NODE]
    answer = subprocess.run(command, cwd=MODULES, input=encoded, capture_output=True, text=True, check=True)
    seen = json.loads(answer.stdout)
    assert [file for file, one in zip(files, seen, strict=True) if one != seen_by_verifier(file)] == []
    assert FILES // 20 < sum(one is not None for one in seen) < FILES // 2
