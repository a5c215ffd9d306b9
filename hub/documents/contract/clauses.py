"""Turn the clause text that legal staff edit into blocks: a limited child fills it in with Jinja2's sandbox.

The sandbox prevents a template from reaching Python, but not from using up memory; the child's limits do that. Each
line of the filled-in text is one block, and its first characters determine the kind:

    # Fees          a heading; articles are numbered in order ("第三条", "3.")
    + text          a numbered paragraph of the article ("3.1")
    ! text          the same in bold: what limits the other party's rights must stand out (民法典 art. 496)
    | a | b         a table's row; a row of one cell is the table's caption; `|=` begins a table's head
    text            a paragraph without a number

A value never becomes markup: values are wrapped in private-use characters, which the font check refuses in data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.documents.contract import wording
from hub.errors import TemplateFailed

LIMITS = Limits(memory_bytes=256 * 1024 * 1024, cpu_seconds=2, seconds=10)
# The most lines, rows and cells in a row. The limit is needed because a contract is laid out in the hub's own process,
# without a child's limits. A long contract has 150 lines and 60 rows.
MAX_LINES, MAX_ROWS, MAX_CELLS = 1_000, 300, 20
# The marks that the child puts before each value, and in place of each bar inside a value.
VALUE, BAR = "\ue000", "\ue001"
_CHILD = "hub.documents.contract.clause_filling"  # by its name: the hub itself does not import this module


@dataclass(frozen=True)
class Heading:
    """The heading of an article, with its number as printed, e.g. 第三条 or 3."""

    number: str
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. `number` is the printed number, for example 3.1, or empty; `strong` means bold."""

    text: str
    number: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table's rows of cells. The first `head_rows` rows are column heads. In a table without a head, labels and
    values alternate."""

    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    head_rows: int = 0


Block = Heading | Paragraph | Table


class ClauseWriter(LimitedChild):
    """A writer that fills in clause templates in a warm child. One per process is enough; threads may share it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(_CHILD, limits)

    def write(self, template: str, values: Mapping[str, Any], language: str) -> tuple[Block, ...]:
        """Return the template's blocks. `values` are JSON data.

        Raises TemplateFailed with a reason that legal staff understand.
        """
        question = {"template": template, "values": values, "language": language}
        try:
            answer = self.ask(json.dumps(question, ensure_ascii=False).encode())
        except ChildFailed as error:
            raise TemplateFailed(f"The contract template could not be filled in: {error}") from None
        return read_blocks(answer.decode(), language)


def read_blocks(text: str, language: str) -> tuple[Block, ...]:
    """Split a filled-in text into blocks, and number articles and paragraphs. Raises TemplateFailed."""
    blocks: list[Block] = []
    article = paragraph = 0
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    _check_size(lines)
    for line in lines:
        mark, rest = line[0], _plain(line[1:].strip())
        if mark == "#":
            article, paragraph = article + 1, 0
            blocks.append(Heading(_article(article, language), rest))
        elif mark in "+!":
            paragraph += 1
            blocks.append(Paragraph(rest, f"{article}.{paragraph}", strong=mark == "!"))
        elif mark == "|":
            _add_row(blocks, line)
        else:
            blocks.append(Paragraph(_plain(line)))
    if article == 0:
        raise TemplateFailed('The contract template has no article: no line begins with "# "')
    return tuple(blocks)


def _check_size(lines: list[str]) -> None:
    """Raise TemplateFailed for more lines, rows or cells than a contract may have."""
    rows = [line for line in lines if line.startswith("|")]
    if len(lines) > MAX_LINES:
        raise TemplateFailed(f"The contract has more than {MAX_LINES:,} lines")
    if len(rows) > MAX_ROWS:
        raise TemplateFailed(f"The contract's tables have more than {MAX_ROWS} rows")
    if any(row.count("|") > MAX_CELLS for row in rows):
        raise TemplateFailed(f"A table's row has more than {MAX_CELLS} cells")


def _add_row(blocks: list[Block], line: str) -> None:
    head = line.startswith("|=")
    row = tuple(_plain(cell.strip()) for cell in line[2 if head else 1 :].split("|"))
    if len(row) == 1:
        blocks.append(Table((), caption=row[0]))
        return
    last = blocks[-1] if blocks else None
    table = last if isinstance(last, Table) and not (head and last.rows) else Table(())
    if not head:
        _check_row(row, table)
    if table is last:
        blocks.pop()
    blocks.append(Table((*table.rows, row), table.caption, table.head_rows or int(head)))


def _check_row(row: tuple[str, ...], table: Table) -> None:
    """Raise TemplateFailed unless a row below a head is as wide as the head, and any other row consists of labels with
    values."""
    if table.head_rows and len(row) != len(table.rows[0]):
        raise TemplateFailed(f"A table's row has {len(row)} cells, its head has {len(table.rows[0])}: {row[0]}")
    if not table.head_rows and len(row) % 2:
        raise TemplateFailed(f"A table's row has a label without a value: {row[-1]}")


def _article(number: int, language: str) -> str:
    return f"第{wording.chinese_number(number)}条" if language == "zh" else f"{number}."


def _plain(text: str) -> str:
    return text.replace(VALUE, "").replace(BAR, "|")
