"""Which passwords are refused, and that good ones are not."""

from __future__ import annotations

import re

import pytest

from hub.errors import BadInput
from hub.model.staff.leaked_passwords import FILE, LeakedHashes
from hub.model.staff.password import MIN_PASSWORD_LENGTH, check_password, new_password

PERSONAL = ("chen.xiaoman", "陈小满", "新航线教育集团", "New Course Education Group")


@pytest.mark.parametrize(
    "password",
    [
        "Password2026!",
        "password1234",
        "P@ssw0rd1234",
        "passwordpassword",
        "aaaaaaaaaaaaaaa",
        "abcabcabcabcabc",
        "123456789012",
        "987654321098",
        "qwertyuiop123",
        "1qaz2wsx3edc",
        "woaini5201314",
        "iloveyou1314520",
        "Admin@20262026",
        "zhongguo1949!",
        "chenxiaoman2026",
        "chen.xiaoman.1",
        "陈小满陈小满陈小满陈小满",
        "newcourse2026!",
        "NewCourseEducation",
        "welcome to school",
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(BadInput, match="easy to guess") as refused:
        check_password(password, (*PERSONAL, "newcourse", "chenxiaoman"))
    assert refused.value.field == "password"


@pytest.mark.parametrize(
    "password",
    ["correct-horse-battery", "a long enough one", "山中何事松花酿酒春水煎茶", "tr0ub4dor&3-plus", "Zt8!vW2#qLm9"],
)
def test_what_nobody_tries_first_is_good(password: str) -> None:
    check_password(password, PERSONAL)


@pytest.mark.parametrize(
    "password",
    [
        "sonyericsson",
        "SonyEricsson",
        "finalfantasy",
        "ｓｏｎｙｅｒｉｃｓｓｏｎ",
        "flvbybcnhfnjh",
        "menghuanxiyou",
    ],
)
def test_what_was_leaked_is_refused(password: str) -> None:
    with pytest.raises(BadInput, match="has been leaked") as refused:
        check_password(password)
    assert refused.value.field == "password"


def test_the_bundled_list_is_whole() -> None:
    content = FILE.read_bytes()
    hashes = LeakedHashes(content)
    assert len(content) <= 300_000 and len(hashes) > 40_000
    assert all(hashes[place] < hashes[place + 1] for place in range(len(hashes) - 1))
    assert all(hashes[place] in hashes for place in (0, len(hashes) // 2, len(hashes) - 1))
    assert bytes(4) not in hashes and b"\xff" * 4 not in hashes


def test_a_password_that_is_too_short_or_too_long_is_refused() -> None:
    for password in ("Zt8!vW2#qLm", "Zt8!vW2#qLm9" * 20):
        with pytest.raises(BadInput, match="12 to 200"):
            check_password(password)
    assert len("Zt8!vW2#qLm9") == MIN_PASSWORD_LENGTH


def test_those_that_are_made_up_are_good() -> None:
    for _ in range(300):
        made = new_password()
        assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", made)
        check_password(made, PERSONAL)
