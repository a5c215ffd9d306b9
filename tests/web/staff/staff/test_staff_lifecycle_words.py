"""What the lifecycle writes for staff has words in the console: tasks, the record, the ledger, errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from hub.documents.school.roster import OpenRoster
from hub.documents.school.roster_columns import find_header
from hub.documents.school.spreadsheet import MAX_BYTES, MAX_COLUMNS, MAX_ROW_LENGTH, MAX_ROWS
from hub.errors import BadInput, GuardianRequired, IllegalMove, UnreadableFile
from hub.lifecycle.contract.end import void
from hub.lifecycle.messaging.fallback import NOT_REACHED
from hub.lifecycle.reminders.approval_tasks import ISSUE_WAITS, TEXT_WAITS
from hub.model.contract.contract import ContractState, check_move
from hub.model.reminders import schedule
from hub.model.reminders.may_send import SkipReason
from hub.model.reports.report import MAX_DAYS
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.web.staff import labels
from hub.web.staff.record_labels import RECORDS
from hub.web.staff.render import problem_words
from tests.catalogues import catalogues
from tests.checkout import ROOT
from tests.running import running_hub
from tests.web.staff.staff.test_staff_words import NOW
from tests.web.staff_visit import console_of

KNOWN = catalogues().texts["zh"]
NOT_OURS = {
    "checked_words(text)",  # what the signer wrote
    "written.text.strip()[:MAX_TEXT_LENGTH]",  # what somebody wrote by SMS
    "wanted.text",  # one of the sentences of approvals, and an address
    "write_sentence(SHARED, facts, 'en')",  # both are in the catalogue of phone changes
    "'\\n'.join([SAID, *(f'{each.authority}: {each.serial:x}' for each in theirs)])",
}
Scope = dict[str, list[ast.expr]]
NO_SCOPE: Scope = {}


def speech(language: str = "zh") -> labels.Speech:
    return labels.Speech(catalogues().translator(language), language, NOW)


# ---- the texts of staff tasks, read from the code


@cache
def modules_that_name(*words: str) -> dict[Path, ast.Module]:
    """Return the parsed modules of the hub whose text has all these words. Parsing all modules takes seconds."""
    sources = {path: path.read_text("utf-8") for path in sorted((ROOT / "hub").rglob("*.py"))}
    return {path: ast.parse(source) for path, source in sources.items() if all(word in source for word in words)}


def assigned(tree: ast.AST) -> Scope:
    found: Scope = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found.setdefault(ast.unparse(target), []).append(node.value)
    return found


def written(text: ast.expr, here: Scope) -> Iterator[str]:
    """Yield every text that an expression may result in; {…} stands for a value."""
    match text:
        case ast.Constant(value=str(known)):
            yield known
        case ast.Name(id=name) if name in here:
            for each in here[name]:
                yield from written(each, here)
        case ast.IfExp(body=one, orelse=other):
            yield from written(one, here)
            yield from written(other, here)
        case ast.JoinedStr(values=services):
            yield "".join(piece(part, here) for part in services)
        case _:
            yield f"?{ast.unparse(text)}"


def piece(part: ast.expr, here: Scope) -> str:
    if isinstance(part, ast.FormattedValue):
        constant = isinstance(part.value, ast.Name) and part.value.id.isupper()
        return "".join(written(part.value, here)) if constant else "{…}"
    assert isinstance(part, ast.Constant)
    return str(part.value)


def task_texts() -> Iterator[tuple[str, str]]:
    """Yield kind and text of each `StaffTask(…)`. A text that is a parameter is looked up at the callers."""
    for module in modules_that_name("StaffTask").values():
        everywhere = assigned(module)
        for function in (each for each in ast.walk(module) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)):
            here = {**everywhere, **assigned(function)}
            for call in calls(function, "StaffTask"):
                kind, text = "".join(written(call.args[1], here)), call.args[2]
                parameters = [each.arg for each in function.args.args]
                if isinstance(text, ast.Name) and text.id in parameters and text.id not in assigned(function):
                    place = parameters.index(text.id)
                    for caller in calls(module, function.name):
                        yield from ((kind, said) for said in written(caller.args[place], here))
                else:
                    yield from ((kind, said) for said in written(text, here))


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    found = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    return [each for each in found if ast.unparse(each.func).endswith(name) and each.args]


def test_every_text_of_a_task_is_in_the_catalogue_line_by_line() -> None:
    """A value inside a sentence would keep the sentence from being found, so values have lines of their own."""
    texts = {text for _, text in task_texts()}
    assert len(texts) > 20 and {text[1:] for text in texts if text.startswith("?")} == NOT_OURS
    lines = {line for text in texts if not text.startswith("?") for line in text.splitlines()}
    assert (lines | {ISSUE_WAITS, TEXT_WAITS}) - set(KNOWN) - {"{…}", "#{…}"} == set()


def test_every_kind_of_a_task_has_a_word() -> None:
    kinds = {kind for kind, _ in task_texts()}
    assert "stop-flood" in kinds and {each for each in kinds if each[0] != "?"} - set(labels.TASK_KINDS) == set()


# ---- kinds and reasons


def test_every_reason_to_send_nothing_has_a_word() -> None:
    assert {reason.value for reason in SkipReason} - set(labels.LEDGER_REASONS) == set()


def test_every_kind_of_the_record_has_a_word() -> None:
    kinds = set()
    for module in modules_that_name("record", "append").values():
        for call in calls(module, "record.append"):
            kinds |= {text for text in written(call.args[2], NO_SCOPE) if not text.startswith("?")}
    assert len(kinds) > 20 and kinds - set(RECORDS) == set()


def test_why_a_contract_is_stuck_is_said_in_words() -> None:
    said = {reason: speech().word(labels.STUCK, reason) for reason in ("token-unavailable", "not-finished")}
    assert said == {"token-unavailable": "学校的密钥设备无法访问。", "not-finished": "还没有结果，也没有报错。"}


# ---- lines


def test_a_value_in_a_line_of_its_own_is_said_by_its_word_or_as_it_is() -> None:
    said = "A message did not reach this signer by any channel. The last channel, and its result:\nsms\nno-receipt\n42"
    assert speech().lines(said) == [
        "一条消息经所有渠道都未能送达该签署人。最后使用的渠道及结果：",
        "短信",
        "没有回执",
        "42",
    ]
    assert speech("en").lines(said)[1:] == ["text message", "no receipt", "42"]


# ---- errors with a value


@pytest.mark.parametrize(
    ("language", "columns"),
    [("zh", "表格缺少以下列：学员姓名、学员证件号码"), ("en", "columns: student name, student id number")],
)
def test_missing_columns_are_named_in_the_language_of_the_page(language: str, columns: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        OpenRoster(find_header([(1, ["校区", "课程"])], {}), [], iter(())).rows(language)
    assert problem_words(speech(language), caught.value, "Asia/Shanghai").endswith(columns)


def test_a_state_in_an_error_is_said_by_its_word() -> None:
    with pytest.raises(IllegalMove) as caught:
        check_move(ContractState.COMPLETED, ContractState.VOIDED)
    said = problem_words(speech(), caught.value, "Asia/Shanghai")
    assert said.endswith("合同不能从前一种状态变为后一种状态：已完成 已撤回") and "COMPLETED" not in said


def refusals(path: Path) -> set[str]:
    """Every text with which the child that reads spreadsheets refuses one, but for those with a limit in them."""
    found = calls(ast.parse(path.read_text("utf-8")), "ValueError")
    return {text for each in found for text in written(each.args[0], NO_SCOPE) if "?" not in text}


def test_errors_that_name_a_limit_are_translated() -> None:
    """The catalogue contains the number as well: this test fails if the limit is changed in one place only."""
    texts = {
        f"The file has more than {MAX_BYTES // 1024 // 1024} MB.",
        f"it has more than {MAX_ROWS:,} rows",
        f"it has more than {MAX_COLUMNS} columns",
        f"a row has more than {MAX_ROW_LENGTH:,} characters",
        *refusals(ROOT / "hub" / "documents" / "school" / "spreadsheet.py"),
        *refusals(ROOT / "hub" / "documents" / "school" / "separated_text.py"),
        schedule.MESSAGE_JUST_LEFT,
        schedule.JUST_REMINDED,
        schedule.ALL_OF_TODAY,
    }
    assert len(texts) > 9 and texts - set(KNOWN) == set()
    said = problem_words(speech(), BadInput("choose 1 to 1000 contracts"), "Asia/Shanghai")
    assert said.endswith("请选择 1 至 1000 份合同")


REFUSE_STAFF = (
    "model/reports/report.py",
    "model/reports/weekly_report.py",
    "model/school/text_version.py",
    "documents/contract/own_pdf_reading.py",
    "lifecycle/contract/draw.py",
    "lifecycle/evidence/hold.py",
    "lifecycle/school/enrol.py",
    "lifecycle/school/guests.py",
    "lifecycle/school/sample_contract.py",
    "lifecycle/school/undo_import.py",
    "web/staff/evidence/holds.py",
    "web/staff/school/imports.py",
    "web/staff/staff/api_keys.py",
    "web/staff/reports/reports.py",
)


def test_refusals_of_forms_of_staff_are_translated() -> None:
    """A refusal with a value in it is for programs: no form of staff leads to it."""
    texts = {f"a report is about {MAX_DAYS} days at most"}
    for name in REFUSE_STAFF:
        module = ast.parse((ROOT / "hub" / name).read_text("utf-8"))
        found = [*calls(module, "BadInput"), *calls(module, "NotFound")]
        texts |= {text for each in found for text in written(each.args[0], NO_SCOPE) if not set("?{") & set(text)}
    assert len(texts) > 20 and texts - set(KNOWN) == set()
    said = problem_words(speech(), BadInput("a report is about 366 days at most", field="from"), "Asia/Shanghai")
    assert said.endswith("开始日期：报表最多涵盖 366 天")


def test_a_field_is_named_only_before_what_is_said_of_it() -> None:
    said = problem_words(speech(), GuardianRequired(field="signers"), "Asia/Shanghai")
    assert said == "学员未满 18 周岁，需要由监护人签署。"


def test_no_button_on_a_stale_page_answers_in_english() -> None:
    """Modules for signers' acts are left out: signers' pages show the error's sentence, never its detail."""
    modules = modules_that_name("IllegalMove").items()
    found = {
        path.stem: calls(module, "IllegalMove")
        for path, module in modules
        if path.name not in ("decline.py", "sign.py", "give_answers.py")
    }
    texts = {text for each in found.values() for call in each for text in written(call.args[0], NO_SCOPE)}
    lines = {line for text in texts for line in text.splitlines()}
    assert len(texts) > 7 and lines - set(KNOWN) - {"{…}", "#{…}"} == set()


# ---- on the pages


async def test_the_pages_of_a_contract_in_trouble_and_of_what_is_to_do_speak_chinese() -> None:
    async with running_hub(with_worker=False) as running:
        contract = await running.issue_minor()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.change(contract, stuck_since=tx.now, stuck_reason="token-unavailable")
            text = f"{NOT_REACHED}\nsms\nno-receipt"
            await tx.staff_tasks.add_task(StaffTask(uuid4(), "unreached", text, contract.campus, tx.now, contract.id))
        console = await console_of(running, language="zh")
        page = (await console.get(f"/staff/contracts/{contract.id}")).words
        assert "原因：学校的密钥设备无法访问。" in page and "token-unavailable" not in page
        for found in (page, (await console.get("/staff/tasks")).words):
            assert "未能送达该签署人。最后使用的渠道及结果： 短信 没有回执" in found and "no-receipt" not in found
        await void(running.hub.services, EVERYTHING, contract.id, "双方商定", "staff:demo")
        stale = (await console.post(f"/staff/contracts/{contract.id}/remind")).words
        assert "这份合同目前无需任何人签署。" in stale and "VOIDED" not in stale
