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
# Ways to spell a table with its rows, from `xref` to before `trailer`.
SPELLINGS: dict[str, Callable[[bytes], bytes]] = {}


def oddity(why: str) -> Callable[[Callable[[Revision], None]], Callable[[Revision], None]]:
    def add(change: Callable[[Revision], None]) -> Callable[[Revision], None]:
        ODDITIES[change.__name__.replace("_", " ")] = Oddity(change, why)
        return change

    return add


def spelling(spell: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    SPELLINGS[spell.__name__.replace("_", " ")] = spell
    return spell


# ---- tables that make a lenient reader search the file for objects


@spelling
def subsection_of_minus_one(table: bytes) -> bytes:
    return table.replace(b"xref\n", b"xref\n-1 0\n", 1)


@spelling
def subsection_without_rows(table: bytes) -> bytes:
    return table.replace(b"xref\n", b"xref\n0 0\n", 1)


@spelling
def rows_ending_nx(table: bytes) -> bytes:
    return table.replace(b" n \n", b" nx\n")


@spelling
def rows_of_19_bytes(table: bytes) -> bytes:
    return table.replace(b" n \n", b" n\n")


@spelling
def rows_of_21_bytes(table: bytes) -> bytes:
    return table.replace(b" n \n", b" n  \n")


@spelling
def rows_of_18_bytes(table: bytes) -> bytes:
    return table.replace(b"00000 n \n", b"0000 n\n")


@spelling
def rows_ending_in_carriage_return(table: bytes) -> bytes:
    return table.replace(b" n \n", b" n\r")


@spelling
def rows_ending_in_space_and_carriage_return(table: bytes) -> bytes:
    return table.replace(b" n \n", b" n \r")


@spelling
def rows_with_two_line_ends(table: bytes) -> bytes:
    return table.replace(b" n \n", b" n\n\n")


@spelling
def rows_with_tabs(table: bytes) -> bytes:
    return table.replace(b" 00000 n", b"\t00000 n")


@spelling
def rows_with_a_comment(table: bytes) -> bytes:
    return table.replace(b" n \n", b" n %\n", 1)


@spelling
def upper_case_rows(table: bytes) -> bytes:
    return table.replace(b" n \n", b" N \n")


@spelling
def head_and_row_on_one_line(table: bytes) -> bytes:
    return re.sub(rb"(\d+ \d+)\n(?=\d{10} 00000 n)", rb"\1 ", table)


@spelling
def heads_with_leading_zeros(table: bytes) -> bytes:
    return re.sub(rb"\n([1-9]\d* \d+\n)", rb"\n00\1", table)


@spelling
def heads_with_a_plus(table: bytes) -> bytes:
    return re.sub(rb"\n([1-9]\d* \d+\n)", rb"\n+\1", table)


@spelling
def heads_with_two_spaces(table: bytes) -> bytes:
    return re.sub(rb"\n([1-9]\d*) (\d+\n)", rb"\n\1  \2", table)


@spelling
def xref_with_a_space(table: bytes) -> bytes:
    return table.replace(b"xref\n", b"xref \n", 1)


@spelling
def xref_and_head_on_one_line(table: bytes) -> bytes:
    return table.replace(b"xref\n", b"xref ", 1)


@spelling
def xref_with_a_blank_line(table: bytes) -> bytes:
    return table.replace(b"xref\n", b"xref\n\n", 1)


@spelling
def another_first_row(table: bytes) -> bytes:
    return table.replace(FREE, b"0000000000 65535 n \n", 1)


@spelling
def the_first_row_of_another_generation(table: bytes) -> bytes:
    return table.replace(FREE, b"0000000001 00000 f \n", 1)


@spelling
def a_row_too_many(table: bytes) -> bytes:
    return table + b"%d 1\n0000000016 00000 n \n" % (NEW + 50)


@spelling
def a_free_row_too_many(table: bytes) -> bytes:
    return table + b"%d 1\n0000000000 00001 f \n" % (NEW + 50)


@spelling
def a_count_too_large(table: bytes) -> bytes:
    return re.sub(rb"\n(\d+) 1\n(?!.* 1\n)", rb"\n\1 2\n", table, flags=re.DOTALL)


@spelling
def rows_in_falling_order(table: bytes) -> bytes:
    sections = re.findall(rb"[1-9]\d* 1\n\d{10} 00000 n \n", table)
    return table[: table.index(sections[0])] + b"".join(reversed(sections))


@spelling
def the_table_twice(table: bytes) -> bytes:
    return table + table


@spelling
def a_table_of_words(table: bytes) -> bytes:
    return table.replace(b" n \n", b" n \nobj", 1)


# ---- objects and entries that readers find, or leave out, differently


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


@oddity("stands twice in a revision")
def an_object_twice(revision: Revision) -> None:
    number = next(iter(revision.objects))
    revision.ahead = b"%d 0 obj\n%b\nendobj\n" % (number, drawn())


@oddity("stands twice in a dictionary")
def an_entry_twice(revision: Revision) -> None:
    page = page_of(revision.before)
    body = revision.objects.get(page) or body_of(revision.before, page)
    revision.objects[page] = body.replace(b"/Contents", b"/Contents %d 0 R /Contents" % NEW, 1)
    revision.objects[NEW] = drawn()


@oddity("")
def an_entry_by_another_spelling(revision: Revision) -> None:
    page = page_of(revision.before)
    body = revision.objects.get(page) or body_of(revision.before, page)
    revision.objects[page] = body.replace(b"/Contents", b"/Conten#74s %d 0 R /Contents" % NEW, 1)
    revision.objects[NEW] = drawn()


@oddity("")
def a_comment_in_an_object(revision: Revision) -> None:
    page = page_of(revision.before)
    body = revision.objects.get(page) or body_of(revision.before, page)
    revision.objects[page] = body.replace(b"/Contents", b"%% /Was\n/Contents", 1)


@oddity("")
def an_end_in_a_comment_behind_a_long_string(revision: Revision) -> None:
    """What follows a long string was once read from another place, up to the first `endobj`."""
    page = page_of(revision.before)
    body = revision.objects.get(page) or body_of(revision.before, page)
    content = b"/Contents %d 0 R" % content_of(revision.before)
    hides = b"/Pad <%b> %% %b >> endobj\n/Contents %d 0 R" % (b"AB" * 700, content, NEW)
    revision.objects[page] = body.replace(content, hides, 1)
    revision.objects[NEW] = drawn()


@oddity("")
def an_entry_behind_a_long_string(revision: Revision) -> None:
    page = page_of(revision.before)
    body = revision.objects.get(page) or body_of(revision.before, page)
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


@oddity("what is not looked at")
def objects_in_a_stream(revision: Revision) -> None:
    inside = zlib.compress(b"%d 0 %b" % (content_of(revision.before), b"<< /Length 0 >>"))
    kind = b"<< /Type /ObjStm /N 1 /First 8 /Filter /FlateDecode"
    revision.objects[NEW] = drawn(inside).replace(b"<<", kind, 1)


@oddity("what is not looked at")
def a_table_in_a_stream(revision: Revision) -> None:
    revision.objects[NEW] = drawn(b"\0" * 30).replace(b"<<", b"<< /Type /XRef /W [1 3 1] /Index [900 1] /Size 2000", 1)


@oddity("what is not looked at")
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


def _spelled(spell: Callable[[bytes], bytes]) -> Callable[[Revision], None]:
    def change(revision: Revision) -> None:
        content = hidden(revision)
        revision.behind = content
        revision.spell = spell

    return change


def _only_spelled(spell: Callable[[bytes], bytes]) -> Callable[[Revision], None]:
    def change(revision: Revision) -> None:
        revision.spell = spell

    return change


for _name, _spell in SPELLINGS.items():
    ODDITIES[f"a table with {_name}"] = Oddity(_only_spelled(_spell), "")
    ODDITIES[f"an orphan, a table with {_name}"] = Oddity(_spelled(_spell), "")
