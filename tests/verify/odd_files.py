"""Odd ways to write a revision, which readers understand differently. Most of them hide a page's new content.

Some readers take an object that no table names when they give up on the table; some take what is in a comment, a string
or a stream; some take the first of two entries, others the last. Everything else about the file is in order.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.browser.update_files import NEW, Revision, body_of, content_of, drawn, page_of, startxref

FREE = b"0000000000 65535 f \n"


@dataclass(frozen=True)
class Oddity:
    """An odd way to write a revision. `change` makes a revision odd; `why` is a part of the reason that our own readers
    give."""

    change: Callable[[Revision], None]
    why: str


ODDITIES: dict[str, Oddity] = {}


def oddity(why: str) -> Callable[[Callable[[Revision], None]], Callable[[Revision], None]]:
    def add(change: Callable[[Revision], None]) -> Callable[[Revision], None]:
        ODDITIES[change.__name__.replace("_", " ")] = Oddity(change, why)
        return change

    return add


# ---- tables that make a lenient reader search the file for objects


def _rows_in_falling_order(table: bytes) -> bytes:
    sections = re.findall(rb"[1-9]\d* 1\n\d{10} 00000 n \n", table)
    return table[: table.index(sections[0])] + b"".join(reversed(sections))


# Ways to spell a table with its rows, from `xref` to before `trailer`.
SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "subsection of minus one": lambda table: table.replace(b"xref\n", b"xref\n-1 0\n", 1),
    "subsection without rows": lambda table: table.replace(b"xref\n", b"xref\n0 0\n", 1),
    "rows ending nx": lambda table: table.replace(b" n \n", b" nx\n"),
    "rows of 19 bytes": lambda table: table.replace(b" n \n", b" n\n"),
    "rows of 21 bytes": lambda table: table.replace(b" n \n", b" n  \n"),
    "rows of 18 bytes": lambda table: table.replace(b"00000 n \n", b"0000 n\n"),
    "rows ending in carriage return": lambda table: table.replace(b" n \n", b" n\r"),
    "rows ending in space and carriage return": lambda table: table.replace(b" n \n", b" n \r"),
    "rows with two line ends": lambda table: table.replace(b" n \n", b" n\n\n"),
    "rows with tabs": lambda table: table.replace(b" 00000 n", b"\t00000 n"),
    "rows with a comment": lambda table: table.replace(b" n \n", b" n %\n", 1),
    "upper case rows": lambda table: table.replace(b" n \n", b" N \n"),
    "head and row on one line": lambda table: re.sub(rb"(\d+ \d+)\n(?=\d{10} 00000 n)", rb"\1 ", table),
    "heads with leading zeros": lambda table: re.sub(rb"\n([1-9]\d* \d+\n)", rb"\n00\1", table),
    "heads with a plus": lambda table: re.sub(rb"\n([1-9]\d* \d+\n)", rb"\n+\1", table),
    "heads with two spaces": lambda table: re.sub(rb"\n([1-9]\d*) (\d+\n)", rb"\n\1  \2", table),
    "xref with a space": lambda table: table.replace(b"xref\n", b"xref \n", 1),
    "xref and head on one line": lambda table: table.replace(b"xref\n", b"xref ", 1),
    "xref with a blank line": lambda table: table.replace(b"xref\n", b"xref\n\n", 1),
    "another first row": lambda table: table.replace(FREE, b"0000000000 65535 n \n", 1),
    "the first row of another generation": lambda table: table.replace(FREE, b"0000000001 00000 f \n", 1),
    "a row too many": lambda table: table + b"%d 1\n0000000016 00000 n \n" % (NEW + 50),
    "a free row too many": lambda table: table + b"%d 1\n0000000000 00001 f \n" % (NEW + 50),
    "a count too large": lambda table: re.sub(rb"\n(\d+) 1\n(?!.* 1\n)", rb"\n\1 2\n", table, flags=re.DOTALL),
    "rows in falling order": _rows_in_falling_order,
    "the table twice": lambda table: table + table,
    "a table of words": lambda table: table.replace(b" n \n", b" n \nobj", 1),
}


# ---- objects and entries that readers find, or leave out, differently


def page_and_body(revision: Revision) -> tuple[int, bytes]:
    page = page_of(revision.before)
    return page, revision.objects.get(page) or body_of(revision.before, page)


def hidden(revision: Revision) -> bytes:
    """Return the object with the page's content again, with another text."""
    return b"%d 0 obj\n%b\nendobj\n" % (content_of(revision.before), drawn())


@oddity("the table leaves objects out")
def an_orphan_behind_the_objects(revision: Revision) -> None:
    revision.behind = hidden(revision)


@oddity("")
def an_orphan_before_the_objects(revision: Revision) -> None:
    revision.ahead = hidden(revision)


@oddity("")
def an_orphan_in_a_comment(revision: Revision) -> None:
    revision.behind = b"%" + hidden(revision).replace(b"\n", b"\r")[:-1] + b"\n"


@oddity("")
def an_orphan_behind_the_end(revision: Revision) -> None:
    revision.tail = hidden(revision)


@oddity("")
def an_orphan_between_table_and_trailer(revision: Revision) -> None:
    content = hidden(revision)
    revision.spell = lambda table: table + content


@oddity("")
def an_orphan_behind_the_trailer(revision: Revision) -> None:
    revision.trailer += b">>\n" + hidden(revision) + b"<<"


@oddity("looks like another object")
def an_orphan_in_a_string(revision: Revision) -> None:
    body = hidden(revision).replace(b"(", b"\\050").replace(b")", b"\\051").replace(b"\n", b" ")
    revision.objects[NEW] = b"<< /Text (%b) >>" % body


@oddity("looks like another object")
def an_orphan_in_a_stream(revision: Revision) -> None:
    revision.objects[NEW] = drawn(hidden(revision))


@oddity("looks like another object")
def a_trailer_in_a_stream(revision: Revision) -> None:
    revision.objects[NEW] = drawn(b"trailer << /Root 1 0 R >>")


@oddity("looks like another object")
def an_end_in_a_stream(revision: Revision) -> None:
    revision.objects[NEW] = drawn(b"startxref\n0\n%%EOF\n")


@oddity("")
def bytes_between_objects(revision: Revision) -> None:
    revision.behind = b"nothing\n"


@oddity("")
def white_space_between_objects(revision: Revision) -> None:
    revision.behind = b"\n \n"


@oddity("")
def zeros_behind_the_end(revision: Revision) -> None:
    revision.tail = b"\0" * 16


@oddity("")
def a_second_end(revision: Revision) -> None:
    revision.tail = b"%%EOF\n"


@oddity("occurs twice in a revision")
def an_object_twice(revision: Revision) -> None:
    number = next(iter(revision.objects))
    revision.ahead = b"%d 0 obj\n%b\nendobj\n" % (number, drawn())


@oddity("occurs twice in a dictionary")
def an_entry_twice(revision: Revision) -> None:
    page, body = page_and_body(revision)
    revision.objects[page] = body.replace(b"/Contents", b"/Contents %d 0 R /Contents" % NEW, 1)
    revision.objects[NEW] = drawn()


@oddity("")
def an_entry_by_another_spelling(revision: Revision) -> None:
    page, body = page_and_body(revision)
    revision.objects[page] = body.replace(b"/Contents", b"/Conten#74s %d 0 R /Contents" % NEW, 1)
    revision.objects[NEW] = drawn()


@oddity("a dictionary is not as Qianda writes it")
def a_name_with_an_escape(revision: Revision) -> None:
    """To other readers, this object has an act; and one with `/Contents` as well has two."""
    revision.objects[NEW] = b"<< /#4aS (this.dirty = false) >>"


@oddity("")
def a_comment_in_an_object(revision: Revision) -> None:
    page, body = page_and_body(revision)
    revision.objects[page] = body.replace(b"/Contents", b"%% /Was\n/Contents", 1)


@oddity("")
def an_end_in_a_comment_behind_a_long_string(revision: Revision) -> None:
    """What follows a long string was once read from another place, up to the first `endobj`."""
    page, body = page_and_body(revision)
    content = b"/Contents %d 0 R" % content_of(revision.before)
    hides = b"/Pad <%b> %% %b >> endobj\n/Contents %d 0 R" % (b"AB" * 700, content, NEW)
    revision.objects[page] = body.replace(content, hides, 1)
    revision.objects[NEW] = drawn()


@oddity("")
def an_entry_behind_a_long_string(revision: Revision) -> None:
    page, body = page_and_body(revision)
    content = b"/Contents %d 0 R" % content_of(revision.before)
    revision.objects[page] = body.replace(content, b"/Pad <%b> /Contents %d 0 R" % (b"AB" * 700, NEW), 1)
    revision.objects[NEW] = drawn()


@oddity("")
def another_generation(revision: Revision) -> None:
    revision.behind = hidden(revision).replace(b" 0 obj", b" 1 obj")


@oddity("encrypted, or has two tables")
def two_kinds_of_tables(revision: Revision) -> None:
    revision.objects[NEW] = drawn(b"\0" * 30).replace(
        b"<<", b"<< /Type /NotYet /W [1 3 1] /Index [900 1] /Size 2000", 1
    )
    revision.trailer += b"/XRefStm 1000"


@oddity("what is not checked")
def objects_in_a_stream(revision: Revision) -> None:
    inside = zlib.compress(b"%d 0 %b" % (content_of(revision.before), b"<< /Length 0 >>"))
    kind = b"<< /Type /ObjStm /N 1 /First 8 /Filter /FlateDecode"
    revision.objects[NEW] = drawn(inside).replace(b"<<", kind, 1)


@oddity("what is not checked")
def a_table_in_a_stream(revision: Revision) -> None:
    revision.objects[NEW] = drawn(b"\0" * 30).replace(b"<<", b"<< /Type /XRef /W [1 3 1] /Index [900 1] /Size 2000", 1)


@oddity("what is not checked")
def a_stream_in_another_file(revision: Revision) -> None:
    revision.objects[NEW] = drawn().replace(b"<<", b"<< /F (other.txt)", 1)


@oddity("does not say its length")
def a_length_elsewhere(revision: Revision) -> None:
    revision.objects[NEW] = re.sub(rb"/Length \d+", b"/Length %d 0 R" % (NEW + 1), drawn())
    revision.objects[NEW + 1] = b"39"


@oddity("")
def a_length_too_short(revision: Revision) -> None:
    revision.objects[NEW] = re.sub(rb"/Length \d+", b"/Length 9", drawn())


@oddity("the file is linearized")
def a_linearized_file(revision: Revision) -> None:
    revision.objects[NEW] = b"<< /Linearized 1 /L 234575 >>"


@oddity("/Prev does not name")
def a_previous_table_that_is_older(revision: Revision) -> None:
    older = revision.before.split(b"startxref")[-2].split()[0]
    revision.trailer = re.sub(rb"/Prev \d+", b"/Prev %b" % older, revision.trailer)


@oddity("startxref does not name the table")
def a_start_that_names_an_older_table(revision: Revision) -> None:
    """Readers then show the document without this revision; those that search the file show it with the revision."""
    revision.start = startxref(revision.before)


@oddity("/Size is not")
def a_size_that_leaves_objects_out(revision: Revision) -> None:
    revision.trailer = re.sub(rb"/Size \d+", b"/Size 6", revision.trailer)


def _spelled(spell: Callable[[bytes], bytes], *, with_orphan: bool) -> Callable[[Revision], None]:
    def change(revision: Revision) -> None:
        if with_orphan:
            revision.behind = hidden(revision)
        revision.spell = spell

    return change


for _name, _spell in SPELLINGS.items():
    ODDITIES[f"a table with {_name}"] = Oddity(_spelled(_spell, with_orphan=False), "")
    ODDITIES[f"an orphan, a table with {_name}"] = Oddity(_spelled(_spell, with_orphan=True), "")
