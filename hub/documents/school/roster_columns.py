"""The columns of a roster, and the titles that schools use for them. Pure.

A title is recognised by `ALIASES`, by what a person at this campus chose earlier, or together with the group heading
above it (家长信息 above 姓名). For an unknown title, similar columns are offered.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from hub.documents.school.spreadsheet import MAX_ROWS_ABOVE, Cell, NumberedRow

# For each column, its title in Chinese and in English, as in the template to download.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "external_id": ("报名编号", "enrolment number"),
    "campus": ("校区", "campus"),
    "course": ("课程", "course"),
    "student_name": ("学员姓名", "student name"),
    "student_id_type": ("学员证件类型", "student id type"),
    "student_id_number": ("学员证件号码", "student id number"),
    "student_birth_date": ("出生日期", "birth date"),
    "student_phone": ("学员手机", "student phone"),
    "student_email": ("学员邮箱", "student email"),
    "guardian_name": ("监护人姓名", "guardian name"),
    "guardian_relation": ("与学员关系", "guardian relation"),
    "guardian_id_type": ("监护人证件类型", "guardian id type"),
    "guardian_id_number": ("监护人证件号码", "guardian id number"),
    "guardian_phone": ("监护人手机", "guardian phone"),
    "guardian_email": ("监护人邮箱", "guardian email"),
    "guardian2_name": ("第二监护人姓名", "guardian 2 name"),
    "guardian2_relation": ("第二监护人与学员关系", "guardian 2 relation"),
    "guardian2_id_type": ("第二监护人证件类型", "guardian 2 id type"),
    "guardian2_id_number": ("第二监护人证件号码", "guardian 2 id number"),
    "guardian2_phone": ("第二监护人手机", "guardian 2 phone"),
    "guardian2_email": ("第二监护人邮箱", "guardian 2 email"),
    "phone": ("联系电话", "phone"),
    "email": ("联系邮箱", "email"),
    "language": ("语言", "language"),
}
# `phone` and `email` are those of the first signer: the guardian, or a student who is of age.
OF_FIRST_SIGNER = ("phone", "email")
REQUIRED = ("campus", "course", "student_name", "student_id_number")
# The value for a column that a person wants to leave out.
IGNORED = ""
_ID = "证件号码 证件号 身份证号码 身份证号 身份证"
_PHONE = "手机 手机号 手机号码 电话 电话号码 联系电话 联系方式"
_EMAIL = "邮箱 电子邮箱 邮箱地址 邮件 电子邮件 邮件地址"
_STUDENT = "学员 学生 孩子 宝贝"
_GUARDIAN = "监护人 家长 第一监护人 监护人1 家长1 父母 联系人"
_GUARDIAN2 = "第二监护人 监护人2 家长2 第二家长"
_ALIASES: Mapping[str, str] = {
    "external_id": "报名编号 报名号 编号 学号 学员编号 订单号 externalid id enrolmentid",
    "campus": "校区 校区编号 校区名称 分校 教学点 所属校区 上课校区 campusid campusname branch school",
    "course": "课程 课程编号 课程名称 班级 班级名称 班级编号 班 班型 科目 报读课程 报名课程 courseid coursename class",
    "student_name": "姓名 名字 name studentname student fullname",
    "student_id_type": "证件类型 证件种类 studentidtype idtype",
    "student_id_number": f"{_ID} studentidnumber studentid idnumber idcard",
    "student_birth_date": "出生日期 生日 出生年月日 学员出生日期 学生出生日期 birthdate studentbirthdate dob",
    "student_phone": "studentphone studentmobile",
    "student_email": "studentemail studentmail",
    "guardian_name": "监护人 家长 家长名字 联系人 guardianname guardian parentname parent",
    "guardian_relation": "关系 与学员关系 与学生关系 亲属关系 家长关系 称谓 relation guardianrelation relationship",
    "guardian_id_type": "guardianidtype parentidtype",
    "guardian_id_number": "guardianidnumber parentidnumber guardianid parentid",
    "guardian_phone": "guardianphone parentphone guardianmobile parentmobile",
    "guardian_email": "guardianemail parentemail guardianmail parentmail",
    "guardian2_name": "第二监护人 guardian2name guardian2 secondguardian",
    "guardian2_relation": "第二监护人与学员关系 第二监护人关系 guardian2relation",
    "guardian2_id_type": "guardian2idtype",
    "guardian2_id_number": "guardian2idnumber",
    "guardian2_phone": "guardian2phone",
    "guardian2_email": "guardian2email",
    "phone": f"{_PHONE} phone mobile phonenumber mobilenumber tel telephone cell",
    "email": f"{_EMAIL} email emailaddress mail",
    "language": "语言 合同语言 language lang",
}
# Titles that rosters often have, and contracts do not need.
_BESIDE = "问题problems 序号 性别 年龄 备注 学校 年级 日期 报名日期 金额 学费 费用 地址 住址 no sex age remarks note"
_NOTE = re.compile(r"[(\[【〔].*?[)\]】〕]|[*:：#]")
_GROUP_ENDING = re.compile(r"(的)?(基本)?(信息|情况|资料|details|information|info)$")
# How many characters of a title are read.
MAX_TITLE_LENGTH = 60
# How similar a title and an alias have to be (0 to 1), for the column to be offered.
MIN_LIKENESS = 0.5
# How many columns are offered for an unknown title.
MAX_OFFERED = 3


def _aliases() -> dict[str, str]:
    known = dict.fromkeys(_BESIDE.split(), IGNORED)
    for people, column in ((_STUDENT, "student"), (_GUARDIAN, "guardian"), (_GUARDIAN2, "guardian2")):
        for person in people.split():
            known |= {f"{person}{each}": f"{column}_id_number" for each in _ID.split()}
            known |= {f"{person}{each}": f"{column}_phone" for each in _PHONE.split()}
            known |= {f"{person}{each}": f"{column}_email" for each in _EMAIL.split()}
            known |= {f"{person}{each}": f"{column}_id_type" for each in ("证件类型", "证件种类")}
            known |= {f"{person}{each}": f"{column}_name" for each in ("姓名", "名字", "名称")}
            if column != "student":
                known |= {f"{person}{each}": f"{column}_relation" for each in ("关系", "与学员关系", "与学生关系")}
    for column, words in _ALIASES.items():
        known |= {fold_title(each): column for each in (*words.split(), *COLUMNS[column], column)}
    return known


def fold_title(cell: Cell) -> str:
    """Return a title in the form for comparing: half width, without spaces, marks and notes in brackets."""
    text = unicodedata.normalize("NFKC", str(cell or "")).casefold()
    return re.sub(r"[\s_\-/、.\u200b\ufeff]", "", _NOTE.sub("", text))


ALIASES: Mapping[str, str] = _aliases()


@dataclass(frozen=True)
class UnknownTitle:
    """A title of no known column. `index` counts columns from 0; `candidates`: columns that it could be."""

    index: int
    title: str
    candidates: tuple[str, ...]

    def cell(self, row: int) -> str:
        return f"{column_letter(self.index)}{row}"

    def offer(self) -> str:
        """Return the end of a sentence for a terminal: what the column could be."""
        return f"; it could be {' or '.join(COLUMNS[each][1] for each in self.candidates)}" if self.candidates else ""


@dataclass(frozen=True)
class RosterHeader:
    """The row of titles. `columns`: the place of each column that was found, from 0.

    `keys`: the text by which each title is remembered. If titles are ambiguous, it includes the group heading above.
    """

    row: int
    titles: tuple[str, ...]
    keys: tuple[str, ...]
    columns: Mapping[str, int]
    unknown: tuple[UnknownTitle, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The missing columns that an import requires."""
        return tuple(each for each in REQUIRED if each not in self.columns)

    def place(self, column: str) -> int | None:
        """Return the place of a column, from 0; None if the sheet lacks it."""
        who, _, what = column.rpartition("_")
        index = self.columns.get(column)
        of_first = who in ("student", "guardian") and what in OF_FIRST_SIGNER
        return self.columns.get(what) if index is None and of_first else index


def column_letter(index: int) -> str:
    """Return the letters of a column: 0 gives A, 26 gives AA."""
    letters = ""
    while index >= 0:
        letters = chr(ord("A") + index % 26) + letters
        index = index // 26 - 1
    return letters


def find_header(rows: Sequence[NumberedRow], chosen: Mapping[str, str]) -> RosterHeader:
    """Return the row of titles among the first rows of a sheet: the first one with the most known titles.

    `chosen`: columns by folded title, as people chose them earlier; `IGNORED` for a title to be left out.
    """
    lines = [
        _Titles(number, cells, rows[place - 1][1] if place else (), chosen)
        for place, (number, cells) in enumerate(rows[:MAX_ROWS_ABOVE])
    ]
    best = max(lines, key=lambda each: len(each.columns), default=_Titles(1, (), (), chosen))
    unknown = tuple(UnknownTitle(each, best.shown[each], _candidates(best.folded[each])) for each in best.unknown)
    return RosterHeader(best.number, best.shown, best.keys, best.columns, unknown)


class _Titles:
    """One row, read as if it held the titles."""

    def __init__(self, number: int, cells: Sequence[Cell], above: Sequence[Cell], chosen: Mapping[str, str]) -> None:
        self.number = number
        self.shown = tuple(" ".join(str(cell or "").split())[:MAX_TITLE_LENGTH] for cell in cells)
        self.folded = [fold_title(each) for each in self.shown]
        known = {**ALIASES, **chosen}
        grouped = [group + title for group, title in zip(_groups(above, len(cells)), self.folded, strict=True)]
        twice = {title for title in self.folded if self.folded.count(title) > 1}
        self.keys = tuple(
            long if long in known or title in twice else title for long, title in zip(grouped, self.folded, strict=True)
        )
        self.columns: dict[str, int] = {}
        self.unknown: list[int] = []
        for index, title in enumerate(self.folded):
            column = known.get(self.keys[index], known.get(title))
            if column is None or (column in self.columns and column != IGNORED):
                self.unknown += [index] if title else []
            elif column != IGNORED:
                self.columns[column] = index


def _groups(above: Sequence[Cell], width: int) -> Iterator[str]:
    """Yield for each title the heading above it, or the nearest one to the left; empty if there is none."""
    if sum(bool(cell) for cell in above) < 2:
        above = ()
    group = ""
    for index in range(width):
        if index < len(above) and above[index]:
            group = _GROUP_ENDING.sub("", fold_title(above[index]))
        yield group


def _candidates(title: str) -> tuple[str, ...]:
    likeness: dict[str, float] = {}
    for alias, column in ALIASES.items():
        if column != IGNORED:
            alike = SequenceMatcher(None, title, alias).ratio() + (0.2 if alias in title else 0)
            likeness[column] = max(alike, likeness.get(column, 0))
    best = sorted(likeness, key=lambda each: -likeness[each])[:MAX_OFFERED]
    return tuple(each for each in best if likeness[each] >= MIN_LIKENESS)
