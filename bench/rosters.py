"""Measure `qianda import` with a roster of 50,000 rows: once, once more, and after a kill in the middle (`qianda bench
import`).

Every command is a separate process, measured from its start to its end, over an embedded PostgreSQL with fsync.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from bench.programs.server import LOOK_EVERY, QIANDA, ROOT, Server, made_server
from bench.results import Result
from bench.simulated.people import person_number

ROUNDS = 50_000
# The share of the rows in the short roster, whose memory use is compared with that of the whole roster.
SHORT_SHARE = 0.1
# The import is killed when this share of the rows has been imported.
KILLED_AT = 0.3
# The columns of an ordinary sheet, by titles that schools use.
TITLES = ("校区", "班级", "学生姓名", "身份证号", "家长姓名", "关系", "家长身份证号", "家长电话")
SURNAMES, GIVEN = "陈林黄张李王吴刘蔡杨许郑谢郭洪邱曾廖赖徐", "安宁书瑶思齐望舒明澈嘉树听雨亦辰怀瑾星野乐之照临"
SCHOOL = """
INSERT INTO campus (id, name, name_en, zone, address, phone) VALUES ('hq', '总部', 'HQ', 'Asia/Shanghai', '', '');
INSERT INTO campus (id, parent, name, name_en, zone, address, phone)
  VALUES ('hefei', 'hq', '合肥校区', 'Hefei campus', 'Asia/Shanghai', '', '');
INSERT INTO course (campus, id, name, name_en, details) VALUES ('hefei', 'math-a', '数学素养A', 'Mathematics A', '{}');
"""


@dataclass
class _Runs:
    """The commands that were run, each with its wall time in seconds and the memory of its largest process in MB."""

    server: Server
    rows: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, work: str, file: Path, *options: str, number: int) -> dict[str, Any]:
        """Run one import to its end. Raises RuntimeError if it fails."""
        before, started = await self.count(), time.perf_counter()
        process = self.start(file, *options)
        _, status, used = await asyncio.to_thread(os.wait4, process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        if process.returncode:
            raise RuntimeError((self.server.folder / "import.log").read_text(errors="replace")[-2000:])
        row = {"work": work, "rows": number, "added": await self.count() - before, "wall_s": wall}
        # The larger of the hub's process and the child that reads the sheet.
        self.rows.append(row | {"cpu_s": used.ru_utime + used.ru_stime, "largest_mb": used.ru_maxrss / 1024})
        return self.rows[-1]

    def start(self, file: Path, *options: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "QIANDA_DATA": str(self.server.folder / "data"),
            "QIANDA_ORIGIN": self.server.origin,
        }
        with (self.server.folder / "import.log").open("ab") as log:
            command = [*QIANDA, "import", str(file), *options]
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )

    async def count(self) -> int:
        return int(await self.server.database.fetchval("SELECT count(*) FROM enrolment"))

    async def kill_halfway(self, file: Path, number: int) -> None:
        """Begin an import, and kill it once some of the rows have been imported."""
        process = self.start(file)
        try:
            while await self.count() < number * KILLED_AT and process.poll() is None:
                await asyncio.sleep(LOOK_EVERY)
        finally:
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
        self.rows.append({"work": "killed", "rows": number, "added": await self.count()})


def run(rounds: int) -> Result:
    """Measure. `rounds`: number of rows."""
    return asyncio.run(_measured(rounds))


async def _measured(number: int) -> Result:
    async with made_server() as server:
        await server.database.execute(SCHOOL)
        runs, short = _Runs(server), max(1, int(number * SHORT_SHARE))
        for name, first, size in (("short", number, short), ("whole", 0, number)):
            _write_roster(server.folder / f"{name}.xlsx", first, size)
        small = await runs.run("short", server.folder / "short.xlsx", number=short)
        await server.database.execute("TRUNCATE enrolment CASCADE")
        whole = server.folder / "whole.xlsx"
        dry = await runs.run("dry run", whole, "--dry-run", number=number)
        large = await runs.run("import", whole, number=number)
        again = await runs.run("again", whole, number=number)
        await server.database.execute("TRUNCATE enrolment CASCADE")
        await runs.kill_halfway(whole, number)
        rest = await runs.run("after the kill", whole, number=number)
        figures = {
            "import_s": large["wall_s"],
            "rows_per_s": number / large["wall_s"],
            "dry_run_s": dry["wall_s"],
            "again_s": again["wall_s"],
            "after_kill_s": rest["wall_s"],
            "added": float(large["added"]),
            "added_again": float(again["added"]),
            "there_after_kill": float(await runs.count()),
            "largest_mb": large["largest_mb"],
            "memory_ratio": large["largest_mb"] / small["largest_mb"],
        }
    return Result("import", figures, runs.rows)


def _write_roster(path: Path, first: int, number: int) -> None:
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("名单")
        sheet.write_row(0, 0, TITLES)
        for row in range(number):
            for column, value in enumerate(_cells(first + row)):
                sheet.write_string(row + 1, column, value)


def _cells(person: int) -> tuple[str, ...]:
    """Return a row about invented people: a child of sixteen at most, and a parent."""
    surname = SURNAMES[person % len(SURNAMES)]
    child, parent = (surname + GIVEN[person // step % len(GIVEN)] for step in (7, 11))
    numbers = person_number(date(2012, 1, 1), person), person_number(date(1985, 1, 1), person)
    return ("合肥", "数学素养A", child, numbers[0], parent, "父亲", numbers[1], f"19{person:09}")
