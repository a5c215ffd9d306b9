"""What staff ask in a chat, as people write it. Reading it never fails, whatever it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from hub.model.messaging.chat_query import (
    ChatQuery,
    ContractCounts,
    Topic,
    parse_chat_query,
    render_chat_help,
    render_contract_counts,
)
from hub.model.school.course import Campus

ZONE = "Asia/Shanghai"
HQ = Campus("hq", None, "总部", "Headquarters", ZONE)
HEFEI = Campus("hefei", "hq", "合肥校区", "Hefei campus", ZONE)
SHUSHAN = Campus("hefei-shushan", "hefei", "合肥蜀山校区", "Hefei Shushan campus", ZONE)
PEOPLES_ROAD = Campus("rmr", "hq", "人民路校区", "People's Road campus", ZONE)
CAMPUSES = (HQ, HEFEI, SHUSHAN, PEOPLES_ROAD)
STANDING = ContractCounts(issued=11, signed=22, completed=33, pending=44, delivered=55, opened=66, overdue=77, stuck=88)


@pytest.mark.parametrize(
    ("text", "topic", "campus", "language"),
    [
        ("who is still unsigned at Hefei", Topic.UNSIGNED, HEFEI, "en"),
        ("Who is still unsigned at HEFEI?", Topic.UNSIGNED, HEFEI, "en"),
        ("who hasn't signed at the Hefei campus yet?", Topic.UNSIGNED, HEFEI, "en"),
        ("who hasn’t signed", Topic.UNSIGNED, None, "en"),
        ("Who has not signed?", Topic.UNSIGNED, None, "en"),
        ("unsigned hefei shushan", Topic.UNSIGNED, SHUSHAN, "en"),
        ("unsigned at People's Road", Topic.UNSIGNED, PEOPLES_ROAD, "en"),
        ("how many contracts are still to be signed?", Topic.UNSIGNED, None, "en"),
        ("status", Topic.STATUS, None, "en"),
        ("  STATUS!  ", Topic.STATUS, None, "en"),
        ("status of hefei please", Topic.STATUS, HEFEI, "en"),
        ("what's the status at headquarters", Topic.STATUS, HQ, "en"),
        ("合肥还有谁没签", Topic.UNSIGNED, HEFEI, "zh"),
        ("合肥校区还有谁没签？", Topic.UNSIGNED, HEFEI, "zh"),
        ("请问合肥校区还有哪些学生没有签合同呢", Topic.UNSIGNED, HEFEI, "zh"),
        ("蜀山", Topic.HELP, None, "zh"),
        ("合肥蜀山还有谁没签", Topic.UNSIGNED, SHUSHAN, "zh"),
        ("人民路未签", Topic.UNSIGNED, PEOPLES_ROAD, "zh"),
        ("还有谁没签", Topic.UNSIGNED, None, "zh"),
        ("还有多少没签？", Topic.UNSIGNED, None, "zh"),
        ("进度", Topic.STATUS, None, "zh"),
        ("ＳＴＡＴＵＳ", Topic.STATUS, None, "en"),
        ("进度 合肥", Topic.STATUS, HEFEI, "zh"),
        ("hefei 进度", Topic.STATUS, HEFEI, "zh"),
        ("合肥的情况", Topic.STATUS, HEFEI, "zh"),
        ("help", Topic.HELP, None, "en"),
        ("帮助", Topic.HELP, None, "zh"),
        ("?", Topic.HELP, None, "en"),
        ("", Topic.HELP, None, "en"),
        ("今天天气不错", Topic.HELP, None, "zh"),
    ],
)
def test_what_people_write_is_understood(text: str, topic: Topic, campus: Campus | None, language: str) -> None:
    assert parse_chat_query(text, CAMPUSES) == ChatQuery(topic, language, campus)


@pytest.mark.parametrize(
    "text",
    [
        "南京还有谁没签",
        "南京进度",
        "who is still unsigned at Nanjing",
        "status nanjing",
        "status hefeix",
        "北京校区未签",
    ],
)
def test_a_name_that_is_not_among_them_is_unknown(text: str) -> None:
    read = parse_chat_query(text, CAMPUSES)
    assert read.unknown_campus and read.campus is None


def test_a_campus_of_others_is_as_unknown_as_one_that_is_nowhere() -> None:
    mine = (HEFEI, SHUSHAN)
    for there, nowhere in (("人民路进度", "火星路进度"), ("status of people's road", "status of Mars's road")):
        answers = [
            render_chat_help(parse_chat_query(text, mine), HEFEI, "https://x/staff") for text in (there, nowhere)
        ]
        assert answers[0] == answers[1] and "x/staff" not in answers[0]


@pytest.mark.parametrize("language", ["help", "帮助"])
def test_each_example_of_the_help_is_understood(language: str) -> None:
    said = render_chat_help(parse_chat_query(language, (SHUSHAN,)), SHUSHAN, "https://x/staff")
    examples = [line.removeprefix("· ") for line in said.splitlines() if line.startswith("· ")]
    read = [parse_chat_query(example, (SHUSHAN,)) for example in examples]
    assert [each.topic for each in read] == [Topic.UNSIGNED, Topic.STATUS, Topic.STATUS]
    assert read[0].campus == read[1].campus == SHUSHAN


ANYTHING = st.text(st.characters(codec=None, categories=("L", "N", "P", "S", "Z", "C", "M")))
PIECES = st.lists(
    st.sampled_from(["合肥", "hefei", "谁", "没签", "status", "进度", "help", " ", "?", "\ud800", "\x00", "İ", "校区"])
    | ANYTHING
).map("".join)


@given(PIECES, st.lists(st.sampled_from(CAMPUSES), unique=True))
def test_reading_never_fails_and_finds_only_what_may_be_asked(text: str, campuses: list[Campus]) -> None:
    read = parse_chat_query(text, campuses)
    assert read.language in ("zh", "en") and (read.campus is None or read.campus in campuses)
    assert not (read.campus and read.unknown_campus)
    console = "https://sign.example.org/staff"
    assert render_chat_help(read, HEFEI, console) and console in render_contract_counts(read, STANDING, console)


@given(ANYTHING, st.text(min_size=1), st.text(min_size=1))
def test_names_of_campuses_may_be_anything(text: str, name: str, name_en: str) -> None:
    campus = Campus("id", None, name, name_en, ZONE)
    assert parse_chat_query(text, [campus]).campus in (None, campus)


@pytest.mark.parametrize("text", ["合肥还有谁没签", "who is unsigned at hefei", "进度", "status"])
def test_an_answer_has_every_number_and_where_to_look(text: str) -> None:
    read = parse_chat_query(text, CAMPUSES)
    answer = render_contract_counts(read, STANDING, "https://x/staff?campus=hefei")
    shown = {int(number) for number in re.findall(r"\d+", answer)}
    of_pending = {44, 55, 66, 77, 88}
    assert shown == (of_pending if read.topic is Topic.UNSIGNED else of_pending | {11, 22, 33})
    assert answer.endswith("https://x/staff?campus=hefei")
    name = {
        "zh": "合肥校区" if read.campus else "全部校区",
        "en": "Hefei campus" if read.campus else "All your campuses",
    }
    assert answer.startswith(name[read.language])
