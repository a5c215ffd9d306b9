"""Names, documents and phones: normalised, checked, compared, masked."""

from __future__ import annotations

from datetime import date

import pytest

from hub.errors import BadInput
from hub.model.contract.person import (
    IdType,
    compute_age,
    format_id_type,
    is_minor,
    mask_id,
    mask_name,
    mask_phone,
    normalise_name,
    normalise_phone,
    parse_id_document,
    same_name,
)


@pytest.mark.parametrize(
    ("kind", "typed", "number", "born"),
    [
        ("cn-id", "34010420140305000３", "340104201403050003", date(2014, 3, 5)),
        ("cn-id", "11010519491231002x", "11010519491231002X", date(1949, 12, 31)),  # the example of GB 11643-1999
        ("cn-id", "430302 19720101 0004", "430302197201010004", date(1972, 1, 1)),  # she is older than the district
        ("passport", " e1234-5678 ", "E12345678", None),
        ("hk-macau-permit", "h00000001", "H00000001", None),
        ("taiwan-permit", "00000002", "00000002", None),
        ("foreign-permanent-id", "deu440190010100", "DEU440190010100", None),
    ],
)
def test_documents_in_normal_form(kind: str, typed: str, number: str, born: date | None) -> None:
    document = parse_id_document(kind, typed)
    assert (document.number, document.birth_date) == (number, born)


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("cn-id", "340104201403050004"),
        ("cn-id", "340104201402300004"),
        ("cn-id", "990104201403050003"),
        ("cn-id", "34010420140305"),
        ("cn-id", ""),
        ("passport", "ABCDEFGH"),
        ("passport", "1234"),
        ("hk-macau-permit", "X00000001"),
        ("taiwan-permit", "1234567"),
        ("foreign-permanent-id", "DEU44019001010"),
        ("foreign-permanent-id", "911244198001010000"),
        ("driving-licence", "340104201403050003"),
    ],
)
def test_wrong_documents_are_refused_without_quoting_them(kind: str, typed: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_id_document(kind, typed, field="signers[0].id_number")
    assert refused.value.field == "signers[0].id_number"
    assert not typed or typed not in refused.value.detail


def test_every_kind_of_document_has_a_name_in_both_languages() -> None:
    for kind in IdType:
        assert format_id_type(kind, "zh") != format_id_type(kind, "en")


@pytest.mark.parametrize(
    ("born", "on", "age", "minor"),
    [
        (date(2008, 12, 1), date(2026, 11, 30), 17, True),
        (date(2008, 12, 1), date(2026, 12, 1), 18, False),
        (date(2008, 2, 29), date(2026, 2, 28), 17, True),
        (date(2008, 2, 29), date(2026, 3, 1), 18, False),
    ],
)
def test_an_age_is_counted_in_completed_years(born: date, on: date, age: int, minor: bool) -> None:
    assert compute_age(born, on) == age
    assert is_minor(born, on) is minor


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("19000000001", "+8619000000001"),
        ("＋86 190 0000 0001", "+8619000000001"),
        ("0086-190-0000-0001", "+8619000000001"),
        ("+44 7400 000001", "+447400000001"),
        ("+1 202 555 0123", "+12025550123"),
    ],
)
def test_phones_become_e164(typed: str, e164: str) -> None:
    assert normalise_phone(typed) == e164


@pytest.mark.parametrize("typed", ["", "hello", "1900000000", "12345678901", "0551-62345678", "+86 10 62345678"])
def test_what_cannot_receive_a_message_is_no_phone(typed: str) -> None:
    with pytest.raises(BadInput):
        normalise_phone(typed)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  陈  小满 ", "陈 小满"),
        ("阿依努尔•买买提", "阿依努尔·买买提"),
        ("Ｍａｒｉａ  Gonzalez", "Maria Gonzalez"),
        ("王𠮷", "王𠮷"),
    ],
)
def test_names_in_normal_form(typed: str, name: str) -> None:
    assert normalise_name(typed) == name


@pytest.mark.parametrize("typed", ["", "  ", "陈\u202e满", "a" * 61, "0", "110", "·"])
def test_a_text_that_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(BadInput):
        normalise_name(typed)


def test_names_are_compared_as_people_do() -> None:
    assert same_name("阿依努尔·买买提", "阿依努尔买买提") and same_name("maria gonzalez", "MARIA  Gonzalez")
    assert not same_name("陈小满", "陈大满") and not same_name("", "") and not same_name("陈", "")


def test_phones_documents_and_names_are_masked() -> None:
    assert mask_phone("+8619000000001") == "+86 190****0001"
    assert mask_phone("+6591234567") == "+65 ****4567"
    assert mask_id("340104201403050003") == "*" * 14 + "0003"
    assert mask_id("12345") == "*****"
    assert [mask_name(name) for name in ("陈满", "陈小满", "欧阳小满")] == ["陈*", "陈*满", "欧**满"]
    assert mask_name("Maria Gonzalez") == "M**** G*******"
