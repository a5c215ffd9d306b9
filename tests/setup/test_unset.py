"""Questions are asked where there is no school yet, and of nobody who could be overheard."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.commands.setup import check_has_a_school, check_unset, is_unset
from hub.errors import BadInput
from hub.setup.answers_file import AnswersFile
from tests.processes.programs import SCHOOL
from tests.setup.given import right_answers


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("QIANDA_CONFIG", "QIANDA_HOST", "QIANDA_ORIGIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QIANDA_DATA", str(tmp_path))
    return tmp_path


def test_an_empty_folder_is_set_up() -> None:
    assert is_unset()
    with pytest.raises(BadInput, match="`qianda init --page` asks in a browser, `qianda init --from FILE`"):
        check_has_a_school()


def test_a_school_is_not_set_up_twice(data: Path) -> None:
    (data / "qianda.toml").write_text(SCHOOL, "utf-8")
    check_has_a_school()
    assert not is_unset()
    with pytest.raises(BadInput, match="there is a configuration already"):
        check_unset()
    AnswersFile(data).keep(right_answers())  # an installation was killed in between, and goes on
    assert is_unset() and check_unset().school.name == "合肥市明德培训学校"


def test_a_school_in_variables_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QIANDA_SCHOOL__NAME", "合肥市明德培训学校")
    assert not is_unset()


def test_the_page_is_not_served_to_a_network_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QIANDA_HOST", "0.0.0.0")
    with pytest.raises(BadInput, match="without TLS"):
        check_unset()
    monkeypatch.setenv("QIANDA_TRUSTED_PROXIES", '["10.0.0.2/32"]')
    check_unset()
