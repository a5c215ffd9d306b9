"""A school's own contract templates and message texts: in addition to the packed ones, or in their place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pypdfium2 import PdfDocument

from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.drawing import NO_MOMENT
from hub.documents.fonts import ContractFont
from hub.documents.messaging.messages import load_messages
from hub.documents.typesetting import ContractTypesetter
from hub.errors import TemplateFailed
from hub.model.messaging.message import Purpose
from hub.settings import PACKED, Settings
from tests.documents.contract_samples import TEMPLATES, minor

MESSAGES = PACKED / "templates" / "messages"


def own_template(folder: Path, name: str, title: str) -> None:
    """Copy the packed template under another name, with another title."""
    shutil.copytree(TEMPLATES / "course-zh", folder / f"{name}-zh")
    path = folder / f"{name}-zh" / "template.toml"
    written = path.read_text("utf-8").replace('id = "course"', f'id = "{name}"')
    path.write_text(written.replace("课程培训服务合同", title), "utf-8")


def test_an_own_template_is_laid_out_with_the_packed_layout(tmp_path: Path) -> None:
    own_template(tmp_path, "dance", "舞蹈课合同")
    templates = ContractTemplates(TEMPLATES, tmp_path)
    assert {"course", "dance"} <= set(templates.ids())
    writer = ClauseWriter()
    try:
        laid_out = ContractPrinter(templates, writer, ContractFont()).lay_out("dance", "zh", minor())
    finally:
        writer.close()
    assert laid_out.title == "舞蹈课合同" and laid_out.pages >= 2


def test_an_own_layout_is_taken_before_the_packed_one(tmp_path: Path) -> None:
    own_template(tmp_path, "dance", "舞蹈课合同")
    shutil.copy(TEMPLATES / "layout.typ", tmp_path)
    templates = ContractTemplates(TEMPLATES, tmp_path)
    assert templates.get("dance", "zh").layout == tmp_path / "layout.typ"
    assert templates.get("dance", "zh").root == tmp_path
    assert templates.get("course", "zh").root == TEMPLATES
    shutil.copy(TEMPLATES / "layout.typ", tmp_path / "dance-zh")
    assert ContractTemplates(TEMPLATES, tmp_path).get("dance", "zh").layout == tmp_path / "dance-zh" / "layout.typ"


def test_an_own_layout_may_read_the_contract_from_the_inputs(tmp_path: Path) -> None:
    """As all did before layouts were functions of a contract."""
    own_template(tmp_path, "dance", "舞蹈课合同")
    said = "#let contract = json(bytes(sys.inputs.contract))\n#set document(title: contract.title)\n"
    said += '#set text(font: "Noto Serif CJK SC", fallback: false)\n#contract.title'
    (tmp_path / "dance-zh" / "layout.typ").write_text(said, "utf-8")
    writer = ClauseWriter()
    try:
        printer = ContractPrinter(ContractTemplates(TEMPLATES, tmp_path), writer, ContractFont())
        assert printer.lay_out("dance", "zh", minor()).pages == 1
    finally:
        writer.close()


def test_an_own_layout_draws_the_contract_or_is_refused(tmp_path: Path) -> None:
    """What defines something else would be laid out as an empty page, which would be issued."""
    layout, fonts = tmp_path / "layout.typ", ContractFont().folder
    drawn = '(c) = { set document(title: c.title); set text(font: "Noto Serif CJK SC"); c.title }'
    layout.write_text(f"#let draw{drawn}", "utf-8")
    pdf = ContractTypesetter(layout, tmp_path, fonts).typeset('{"title": "舞蹈课合同"}', NO_MOMENT)
    assert "舞蹈课合同" in PdfDocument(pdf)[0].get_textpage().get_text_bounded()
    layout.write_text(f"#let paint{drawn}", "utf-8")
    with pytest.raises(RuntimeError, match="unresolved import"):
        ContractTypesetter(layout, tmp_path, fonts).typeset('{"title": "舞蹈课合同"}', NO_MOMENT)


def test_an_own_template_of_the_same_id_replaces_the_packed_one_in_all_languages(tmp_path: Path) -> None:
    """A school that rewrote its Chinese terms must not offer the packed English ones as the same contract."""
    own_template(tmp_path, "course", "本校合同")
    templates = ContractTemplates(TEMPLATES, tmp_path)
    assert templates.languages("course") == ["zh"]
    assert templates.get("course", "zh").title == "本校合同"


def test_an_incomplete_own_template_is_named(tmp_path: Path) -> None:
    own_template(tmp_path, "dance", "舞蹈课合同")
    (tmp_path / "dance-zh" / "clauses.txt.j2").unlink()
    with pytest.raises(TemplateFailed, match="dance-zh"):
        ContractTemplates(TEMPLATES, tmp_path)


def test_own_message_texts_replace_a_file_as_a_whole(tmp_path: Path) -> None:
    packed = (MESSAGES / "code.toml").read_text("utf-8")
    (tmp_path / "code.toml").write_text(packed.replace("验证码", "校验码"), "utf-8")
    ours, packed_ones = load_messages(MESSAGES, tmp_path), load_messages(MESSAGES)
    own_text = ours.get(Purpose.CODE, "sms", "zh").text
    assert "校验码" in own_text and "验证码" not in own_text
    for channel in ("sms", "email"):
        assert ours.get(Purpose.COMPLETED, channel, "en") == packed_ones.get(Purpose.COMPLETED, channel, "en")


def test_the_folder_is_that_of_the_data_unless_another_is_named(tmp_path: Path) -> None:
    settings = Settings.load(data=tmp_path / "data")
    assert settings.own_templates("contracts") is None
    (tmp_path / "data" / "templates" / "contracts").mkdir(parents=True)
    assert settings.own_templates("contracts") == tmp_path / "data" / "templates" / "contracts"
    assert settings.own_templates("messages") is None
    (tmp_path / "ours" / "messages").mkdir(parents=True)
    named = Settings.load(data=tmp_path / "data", templates_dir=tmp_path / "ours")
    assert named.own_templates("contracts") is None
    assert named.own_templates("messages") == tmp_path / "ours" / "messages"
    with pytest.raises(FileNotFoundError, match="templates_dir: there is no folder"):
        Settings.load(data=tmp_path, templates_dir=tmp_path / "nowhere").own_templates("contracts")


def test_the_logo_is_that_of_the_data_folder_unless_another_is_named(tmp_path: Path) -> None:
    settings = Settings.load(data=tmp_path)
    assert settings.own_logo() is None
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "logo.png").write_bytes(b"")
    assert settings.own_logo() == tmp_path / "templates" / "logo.png"
    assert Settings.load(data=tmp_path, logo=tmp_path / "other.png").own_logo() == tmp_path / "other.png"
