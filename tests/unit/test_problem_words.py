"""What staff entered wrongly is said in Chinese as well where the sentence has a value inside."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from hub import errors
from hub.settings import PACKED
from hub.web.staff.problem_words import SHAPES, say_detail
from tests.catalogues import catalogues

HUB = PACKED
CHINESE = catalogues().translator("zh")
FLOORS = ("model", "lifecycle", "web/staff", "store/school", "store/messaging", "documents")
# Their errors end a start or a command, or go to a signer or to another system: no page of the console shows them.
NOT_OF_THE_CONSOLE = (
    "model/messaging/message.py",
    "model/sealing/",
    "model/signing/",
    "model/contract/asked_field.py",
    "lifecycle/signing/questions.py",
    "lifecycle/signing/revoke_certificates.py",
    "lifecycle/signing/signer_certificates.py",
    "lifecycle/sealing/seals/contract_seal.py",
    "lifecycle/sealing/seals/seal_certificate.py",
    "lifecycle/sealing/seals/sm2_seals.py",
    "documents/ofd/",
    "documents/pades/",
    "documents/signing/with_pyhanko.py",
    "documents/fonts.py",
    "documents/typesetting.py",
    "documents/signing/stamps.py",
    "documents/messaging/messages.py",
    "documents/contract/contract_templates.py",
    "documents/signing/attachment_upload.py",
    "web/staff/staff/provider_login.py",
    "store/school/text_versions.py",
)


def details() -> Iterator[tuple[str, str]]:
    """Yield each line that has a value inside, of the details of errors; with 7 in place of the value."""
    for path in (path for floor in FLOORS for path in (HUB / floor).rglob("*.py")):
        name = str(path.relative_to(HUB))
        for node in ast.walk(ast.parse(path.read_bytes())) if not name.startswith(NOT_OF_THE_CONSOLE) else ():
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.JoinedStr) and _raises(node):
                parts = [str(each.value) if isinstance(each, ast.Constant) else "7" for each in node.args[0].values]
                yield from ((f"{name}:{node.lineno}", line) for line in "".join(parts).splitlines() if line != "7")


def _raises(node: ast.Call) -> bool:
    kind = getattr(errors, node.func.id, None) if isinstance(node.func, ast.Name) else None
    return isinstance(kind, type) and issubclass(kind, errors.QiandaError)


def test_every_sentence_with_a_value_is_said_in_chinese() -> None:
    found = list(details())
    assert len(found) > 50
    assert [each for each in found if not re.search(r"[\u4e00-\u9fff]", say_detail(each[1], CHINESE))] == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("there is no course math at hefei", "hefei 校区没有这门课程：math"),
        (
            "nothing of this contract can be erased: it is held until 2027-05-03, by staff:x: case 7: appeal",
            "该合同的内容均不删除：该合同已由 staff:x 留存至 2027-05-03：case 7: appeal",
        ),
        ("at most 5000 lines", "最多 5000 行"),
        ("at most 20", "最多 20 个"),
        ("nobody knows this sentence", "nobody knows this sentence"),
    ],
)
def test_values_stay_as_they_are(said: str, words: str) -> None:
    assert say_detail(said, CHINESE) == words
    assert say_detail(said, lambda text, **values: text.format(**values) if values else text) == said


def test_no_shape_is_hidden_by_an_earlier_one() -> None:
    for shape in SHAPES:
        filled = re.sub(r"\{\w+\}", "7", shape)
        values = dict.fromkeys(re.findall(r"\{(\w+)\}", shape), "7")
        assert say_detail(filled, CHINESE) == CHINESE(shape, **values), shape
