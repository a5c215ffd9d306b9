"""The answers of a set-up are judged as a school's file is, and become one. No database, no page."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from hub.doctor import CHECKS
from hub.documents.school.school_file import read_school
from hub.documents.toml_text import write_toml
from hub.errors import BadInput
from hub.settings import PACKED
from hub.setup import look_at_origin
from hub.setup.answers import compose_school, kept_answers, next_step
from hub.setup.answers_file import FILE, AnswersFile
from hub.setup.check_answers import find_first_faulty_step, find_step_faults
from hub.setup.questions import STEPS, find_step
from hub.setup.tables import COURSE_TITLES, read_table
from hub.web.pages.doctor_words import CERTIFICATES, DATED, PROVIDER, SHAPES as FINDINGS, say_found
from hub.web.pages.fault_words import SHAPES, STEPS_TOLD, say_fault, say_step
from qianda.verify.findings import Element, Word
from qianda.verify.reasons import OWNED_TRIAL
from tests.catalogues import catalogues
from tests.setup.given import CAMPUSES, COURSES, right_answers
from tests.web.page_texts import texts_of

CHINESE = catalogues()
PAGES = sorted((PACKED / "templates" / "pages" / "setup").glob("*.html"))
KEYS = Path("keys")


def test_right_answers_are_a_school_without_faults_and_without_secrets() -> None:
    composed = compose_school(right_answers(), KEYS)
    text = write_toml(composed.values)
    file, faults = read_school(text)
    assert faults == [] and [each.id for each in file.campuses] == ["hq", "east"]
    assert file.courses[0].details["refund_steps"] == [
        {"when": "首次上课之前", "share": 100},
        {"when": "此后", "share": 80},
    ]
    assert dict(file.seal) == {"kind": "request"} and file.configuration["channels"]["email"]["port"] == 587
    assert "a password" not in text
    assert composed.files == {KEYS / "setup" / "messages-password": b"a password of the mail server\n"}
    assert file.configuration["channels"]["email"]["password_file"] == "keys/setup/messages-password"
    assert find_first_faulty_step(right_answers(), KEYS) is None


@pytest.mark.parametrize(
    ("step", "changed", "question", "words"),
    [
        ("origin", {"origin": "http://sign.school.example"}, "origin", "has to begin with https://"),
        ("origin", {"origin": ""}, "origin", "is missing"),
        ("organisation", {"credit_code": "52340100MJ00000014"}, "credit_code", "not a valid credit code"),
        ("organisation", {"name": ""}, "name", "is missing"),
        ("campuses", {"table": CAMPUSES.replace("east,hq", "east,hp")}, "table", "row 3 (east), parent: there is no"),
        (
            "campuses",
            {"table": CAMPUSES.replace("上级", "上级号")},
            "table",
            "there is no column 上级号; there are id 编号,",
        ),
        ("campuses", {"table": CAMPUSES.replace(",hq", ",")}, "table", "2 have none (hq, east)"),
        ("account", {"login": "Office"}, "login", "2 to 40 small letters"),
        ("account", {"password": "short"}, "password", "12 to 200 characters"),
        ("courses", {"template": "dance"}, "template", "there is no contract template dance"),
        ("courses", {"table": COURSES.replace("1800", "viel")}, "table", "row 2 (drawing), price: has to be an amount"),
        ("courses", {"table": COURSES.replace("此后 80", "此后")}, "table", "row 2 (drawing), refund_steps 2, share"),
        ("courses", {"table": COURSES.replace("沈若溪", "\U00030000")}, "table", "row 2 (drawing)"),
        ("timestamps", {"kind": "rfc3161", "url": "http://t.example"}, "certificates", "is missing"),
        (
            "timestamps",
            {"kind": "rfc3161", "url": "http://t", "certificates": "x"},
            "certificates",
            "not a certificate",
        ),
        ("messages", {"mail_sender": ""}, "mail_sender", "is missing"),
        ("messages", {"port": "smtp"}, "port", "is not accepted"),
        ("messages", {"security": "ssl"}, "security", "is not accepted"),
        ("messages", {"mail_sender": "nobody"}, "mail_sender", "is not accepted"),
        ("seal", {"kind": "csc"}, "url", "is missing"),
        ("seal", {"kind": "pkcs12"}, "pkcs12", "is missing"),
        ("seal", {"kind": "pkcs12", "pkcs12": "bm90aGluZw=="}, "pkcs12", "not a PKCS#12 file"),
    ],
)
def test_a_wrong_answer_is_named_with_its_question(
    step: str, changed: dict[str, str], question: str, words: str
) -> None:
    answers = right_answers()
    answers[step] |= changed
    found = find_step(step)
    assert found is not None
    faults = find_step_faults(found, answers, KEYS)
    assert any(each.question == question and words in each.words for each in faults), faults
    assert find_first_faulty_step(answers, KEYS) is found


def test_all_faults_of_a_step_are_named_at_once() -> None:
    answers = right_answers()
    answers["organisation"] = {"name": "合肥市明德培训学校", "credit_code": "1"}
    step = find_step("organisation")
    assert step is not None
    assert {each.question for each in find_step_faults(step, answers, KEYS)} == {"credit_code", "licence"}


def test_a_secret_left_empty_stays_and_what_is_not_asked_is_forgotten() -> None:
    step = find_step("messages")
    assert step is not None
    before = right_answers()["messages"]
    assert kept_answers(step, before | {"password": ""}, before)["password"] == before["password"]
    turned = kept_answers(step, {"kind": "none", "host": "x", "to": "x"}, before)
    assert turned == {"kind": "none"}


def test_the_steps_are_asked_in_their_order() -> None:
    answers = right_answers()
    del answers["account"], answers["seal"]
    step = next_step(answers)
    assert step is not None and step.name == "account"


def test_a_table_is_read_by_its_titles() -> None:
    rows, faults = read_table(" Campus ; Class size\neast;12\n\n", COURSE_TITLES)
    assert faults == [] and dict(rows[0].values) == {"campus": "east", "class_size": "12"}
    assert read_table("", COURSE_TITLES) == ([], ["is empty"])
    assert read_table("campus,校区\nx,y\n", COURSE_TITLES)[1] == ["the column campus occurs twice"]


def test_answers_are_kept_sealed(tmp_path: Path) -> None:
    file = AnswersFile(tmp_path)
    file.keep(right_answers())
    assert file.read() == right_answers()
    assert b"password" not in (tmp_path / FILE).read_bytes()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / "keys" / "master.key").write_bytes(b"\0" * 32)
    with pytest.raises(BadInput, match="encrypted with another master key"):
        file.read()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_text_of_a_page_has_its_chinese(path: Path) -> None:
    assert texts_of(path) - set(CHINESE.texts["zh"]) == set()


def texts_of_questions() -> set[str]:
    found: set[str] = set()
    for step in STEPS:
        found |= {step.title, step.words}
        for question in step.questions:
            found |= {question.words, question.hint} | ({question.default} if question.kind == "table" else set())
            found |= {text for choice in question.choices for text in (choice.words, choice.hint)}
    return found - {""}


def texts_of_findings() -> set[str]:
    """Return the sentence of every finding that the code of `look_at_origin` makes."""
    calls = (each for each in ast.walk(ast.parse(inspect.getsource(look_at_origin))) if isinstance(each, ast.Call))
    found = {ast.literal_eval(call.args[1]) for call in calls if ast.unparse(call.func) == "OriginFinding"}
    assert len(found) == 10
    return found | {look_at_origin.FROM_HERE}


def test_every_question_and_every_sentence_has_its_chinese() -> None:
    shown = texts_of_questions() | texts_of_findings() | {*SHAPES, *STEPS_TOLD, *FINDINGS, *CHECKS, PROVIDER}
    shown |= {DATED, *CERTIFICATES}
    assert shown - set(CHINESE.texts["zh"]) == set()


def test_faults_are_told_in_chinese() -> None:
    translate = CHINESE.translator("zh")
    assert say_fault("row 3 (east), parent: there is no campus hp", translate) == "行 3 (east), parent：没有校区 hp"
    line = f"`qianda verify` will say of it: {Element.OWNED}: {Word.NOT_SHOWN}. {OWNED_TRIAL.en}"
    assert (
        say_found(line, translate)
        == "`qianda verify` 对它的说明（专人所有：未证明）：证书由内置机构签发，仅供试用和内部使用。"
    )
    assert say_step("/data/qianda.toml: the configuration.", translate) == "/data/qianda.toml：配置已写入。"
    answers = right_answers()
    answers["courses"]["table"] = COURSES.replace("20,45", "x,0")
    for step in STEPS:
        for fault in find_step_faults(step, answers, KEYS):
            assert "has to be" not in say_fault(fault.words, translate)
