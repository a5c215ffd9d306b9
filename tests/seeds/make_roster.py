"""Write hub/demo/seeds/roster.xlsx: 200 enrolments of invented people, always the same ones.

Run: python tests/seeds/make_roster.py [FILE]

The ID numbers have real region codes and right check digits, but the sequence 000, which is never given out; the phone
numbers are one block, from 190 0000 0001 on. So all of them pass every check, and none belongs to anybody.
"""

from __future__ import annotations

import random
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import xlsxwriter
from stdnum.cn import ric

HERE = Path(__file__).parents[2] / "hub" / "demo" / "seeds"
ENROLMENTS = 200
REGIONS = {"hefei": "340104", "beijing": "110108", "guangzhou": "440106", "xiangtan": "430302"}
FOR_ADULTS = {"mandarin", "python"}
HEADER = (
    *("报名编号", "校区", "课程", "学员姓名", "学员证件类型", "学员证件号码", "出生日期", "学员手机"),
    *("监护人姓名", "与学员关系", "监护人证件类型", "监护人证件号码", "监护人手机"),
    *("第二监护人姓名", "第二监护人与学员关系", "第二监护人证件类型", "第二监护人证件号码", "第二监护人手机", "语言"),
)
SURNAMES = "陈林黄张李王吴刘蔡杨许郑谢郭洪邱曾廖赖徐周叶苏庄吕江何萧罗高潘简朱钟彭游詹胡施沈余卢梁顾孟温方夏"
GIVEN = (
    "小满 知行 予安 沐阳 清越 云舒 景行 若兰 一诺 思齐 望舒 书瑶 子衿 明澈 嘉树 听雨 亦辰 雨桐 怀瑾 星野 "
    "乐之 安歌 照临 千帆 见微 青禾 晚棠 北辰 南乔 鹿鸣"
).split()
PARENTS = "建国 志远 海燕 秀英 文博 丽华 国强 晓梅 立群 春燕 永康 慧敏 家栋 素芬 卫东 月娥 宏伟 玉珍 德明 静怡".split()


@dataclass(frozen=True)
class Person:
    name: str
    id_type: str
    id_number: str
    born: date
    phone: str = ""
    relation: str = ""


@dataclass(frozen=True)
class Line:
    campus: str
    course: str
    student: Person
    guardians: tuple[Person, ...] = field(default=())
    language: str = "zh"


class Village:
    """The invented people. No two have the same birthday, ID number or phone."""

    def __init__(self) -> None:
        self.random = random.Random("Qianda's demo school")
        self._days: set[date] = set()
        self._names: set[str] = set()
        self._phones = 0

    def birthday(self, first: date, last: date) -> date:
        while True:
            day = first + timedelta(days=self.random.randrange((last - first).days))
            if day not in self._days:
                self._days.add(day)
                return day

    def name(self, surname: str, given: list[str]) -> str:
        while True:
            name = surname + self.random.choice(given)
            if name not in self._names:
                self._names.add(name)
                return name
            surname = self.random.choice(SURNAMES)

    def phone(self) -> str:
        self._phones += 1
        return f"1900000{self._phones:04d}"

    def child(self, campus: str, surname: str) -> Person:
        born = self.birthday(date(2010, 1, 1), date(2020, 8, 31))
        return Person(self.name(surname, GIVEN), "居民身份证", id_number(campus, born), born)

    def adult(self, campus: str, surname: str, relation: str = "") -> Person:
        born = self.birthday(date(1985, 1, 1), date(1999, 12, 31))
        name = self.name(surname, PARENTS)
        return Person(name, "居民身份证", id_number(campus, born), born, self.phone(), relation)


def id_number(campus: str, born: date) -> str:
    """Return an ID number with the sequence 000, which no office gives out, and the right check digit (GB 11643)."""
    body = f"{REGIONS[campus]}{born:%Y%m%d}000"
    return body + ric.calc_check_digit(body + "0")


def courses() -> dict[str, list[str]]:
    listed = tomllib.loads((HERE / "courses.toml").read_text("utf-8"))["course"]
    return {campus: [item["id"] for item in listed if item["campus"] == campus] for campus in REGIONS}


def special(village: Village) -> Iterator[Line]:
    """Yield the enrolments that software often gets wrong."""
    father = village.adult("hefei", "许", "父亲")
    for _ in range(2):  # two siblings, one guardian, one phone
        yield Line("hefei", "math-a", village.child("hefei", "许"), (father,))
    for name, campus in (("李㛃", "hefei"), ("王𠮷", "beijing"), ("赵䶮", "xiangtan")):
        child = replace(village.child(campus, name[0]), name=name)
        yield Line(campus, "math-a", child, (village.adult(campus, name[0], "母亲"),))
    yield from foreigners(village)
    busy = village.child("guangzhou", "温")  # one student, two courses: one message for both contracts
    mother = village.adult("guangzhou", "温", "母亲")
    yield Line("guangzhou", "math-a", busy, (mother,))
    yield Line("guangzhou", "dance", busy, (mother,))
    long_name = replace(village.child("beijing", "阿"), name="阿依努尔·买买提江·吐尔逊")
    yield Line("beijing", "violin", long_name, (village.adult("beijing", "古", "母亲"),))
    for _ in range(4):  # both parents sign
        child = village.child("beijing", "沈")
        parents = (village.adult("beijing", child.name[0], "父亲"), village.adult("beijing", "夏", "母亲"))
        yield Line("beijing", "go", child, parents)


def foreigners(village: Village) -> Iterator[Line]:
    day = village.birthday
    maria = Person("Maria Gonzalez", "护照", "XDA000001", day(date(1990, 1, 1), date(1999, 1, 1)), village.phone())
    yield Line("beijing", "mandarin", maria, language="en")
    oliver = Person("Oliver Example", "护照", "987000002", day(date(2012, 1, 1), date(2016, 1, 1)))
    born = day(date(1980, 1, 1), date(1985, 1, 1))
    anna = Person("Anna Example", "护照", "987000003", born, village.phone(), "Mother")
    yield Line("guangzhou", "go", oliver, (anna,), language="en")
    hong_kong = Person("何港生", "港澳通行证", "H00000001", day(date(2013, 1, 1), date(2016, 1, 1)))
    yield Line("guangzhou", "math-a", hong_kong, (village.adult("guangzhou", "何", "父亲"),))
    taiwan = Person("林台安", "台湾通行证", "00000002", day(date(1985, 1, 1), date(1995, 1, 1)), village.phone())
    yield Line("guangzhou", "python", taiwan)
    born = day(date(1985, 1, 1), date(1995, 1, 1))
    resident = Person("Jonas Beispiel", "外国人永久居留身份证", f"DEU4401{born:%y%m%d}00", born, village.phone())
    yield Line("guangzhou", "python", resident, language="en")


def ordinary(village: Village) -> Iterator[Line]:
    offered = courses()
    while True:
        campus = village.random.choice(list(REGIONS))
        course = village.random.choice(offered[campus])
        surname = village.random.choice(SURNAMES)
        if course in FOR_ADULTS:
            yield Line(campus, course, village.adult(campus, surname))
        else:
            relation = village.random.choice(["父亲", "母亲"])
            family = surname if relation == "父亲" else village.random.choice(SURNAMES)
            yield Line(campus, course, village.child(campus, surname), (village.adult(campus, family, relation),))


def lines() -> list[Line]:
    village = Village()
    found = list(special(village))
    others = ordinary(village)
    return found + [next(others) for _ in range(ENROLMENTS - len(found))]


def cells(number: int, line: Line) -> list[str]:
    student = line.student
    row = [f"DEMO-{number:04d}", line.campus, line.course, student.name, student.id_type, student.id_number]
    row += [student.born.isoformat(), student.phone]
    for index in range(2):
        if index < len(line.guardians):
            guardian = line.guardians[index]
            row += [guardian.name, guardian.relation, guardian.id_type, guardian.id_number, guardian.phone]
        else:
            row += [""] * 5
    return [*row, line.language]


def main(path: Path) -> None:
    with xlsxwriter.Workbook(path) as workbook:
        workbook.set_properties({"title": "报名名单（演示）", "created": datetime(2026, 12, 1, tzinfo=UTC)})
        sheet = workbook.add_worksheet("报名名单")
        bold, text = (
            workbook.add_format({"bold": True, "bg_color": "#f1f5f9"}),
            workbook.add_format({"num_format": "@"}),
        )
        sheet.set_column(0, len(HEADER) - 1, 16, text)  # as text: otherwise a spreadsheet rounds ID numbers
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, HEADER, bold)
        for number, line in enumerate(lines(), start=1):
            for column, value in enumerate(cells(number, line)):
                sheet.write_string(number, column, value, text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "roster.xlsx")
