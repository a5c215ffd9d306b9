"""The layout of contracts: the boxes, the words, the same bytes each time, and what is refused."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from hub.documents.child import Limits
from hub.documents.contract.clauses import ClauseWriter, Paragraph, Table
from hub.documents.contract.contract_data import ContractData, GuardianFacts, StudentFacts
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import Box, ContractPrinter, LaidOut, block_texts
from hub.documents.fonts import FONT_NAME, SISTER_NAME, ContractFont
from hub.documents.typesetting import compiler
from hub.documents.typst_child import TypstChild
from hub.errors import BadInput, FontMissing, TemplateFailed, UndrawableText
from tests.documents.contract_samples import TEMPLATES, adult, minor

LONG_COURSE = "初中数学素养提升与综合问题解决能力培养课程（二〇二七年春季晚间小班）"
CASES = {
    "one guardian": ("zh", minor()),
    "a name of twelve characters, a long course, four signers": (
        "zh",
        minor("阿依努尔·买买提江·吐尔", 4, course_name=LONG_COURSE),
    ),
    "two guardians, two representatives": ("zh", minor(guardians=2, representatives=2)),
    "an adult": ("en", adult()),
    "an English minor with both parents": ("en", minor(guardians=2)),
}


@pytest.fixture(scope="module")
def font() -> ContractFont:
    return ContractFont()


@pytest.fixture(scope="module")
def writer() -> Iterator[ClauseWriter]:
    writer = ClauseWriter()
    yield writer
    writer.close()


@pytest.fixture(scope="module")
def printer(font: ContractFont, writer: ClauseWriter) -> Iterator[ContractPrinter]:
    printer = ContractPrinter(ContractTemplates(TEMPLATES), writer, font)
    yield printer
    printer.close()


def page_text(pdf: bytes, page: int, box: Box | None = None) -> str:
    layer = pypdfium2.PdfDocument(pdf)[page].get_textpage()
    if box is None:
        return str(layer.get_text_bounded())
    return str(layer.get_text_bounded(left=box.x1, bottom=box.y1, right=box.x2, top=box.y2))


def all_text(laid_out: LaidOut) -> str:
    return "".join("".join(page_text(laid_out.pdf, page).split()) for page in range(laid_out.pages))


@pytest.mark.parametrize("case", CASES)
def test_the_last_words_stand_on_the_page_of_the_signatures(printer: ContractPrinter, case: str) -> None:
    language, data = CASES[case]
    laid_out = printer.lay_out("course", language, data)
    assert ("11.3" if language == "zh" else "11.3 This agreement") in page_text(laid_out.pdf, laid_out.pages - 1)


@pytest.mark.parametrize("signers", [1, 2, 4])
def test_a_full_page_leaves_a_gap_above_the_signatures(printer: ContractPrinter, signers: int) -> None:
    data, template = minor(guardians=signers), printer.templates.get("course", "zh")
    full = 0
    for headings in range(1, 5):
        for count in range(6, 40):
            text = "\n\n".join(["# 条款"] * headings + ["一行文字。"] * count)
            laid_out = printer.lay_out_by(dataclasses.replace(template, clauses=text), data)
            if laid_out.pages == 2:
                break
            gap = gap_above_the_table(laid_out)
            assert gap > 7, (headings, count, signers)
            full += gap < 9
    assert full


def gap_above_the_table(laid_out: LaidOut) -> float:
    """Return the space in mm between the last words and the line with which the signature table begins."""
    page = pypdfium2.PdfDocument(laid_out.pdf)[laid_out.pages - 1]
    layer = page.get_textpage()
    seal = next(box for box in laid_out.boxes if box.name == "seal")
    bottoms: list[float] = [layer.get_charbox(number)[1] for number in range(layer.count_chars())]
    top = seal.y2 + (52 - 42 - 1 + 8) * 72 / 25.4
    return (min(bottom for bottom in bottoms if bottom > top) - top) * 25.4 / 72


ROW = "| 项目 | 内容\n"
LAST_BLOCKS = [
    ("# 附表\n" + ROW * 34, 1),
    ("# 附表\n" + ROW * 22, 4),
    ("# 附表\n" + ROW * 90, 1),
    ("# 条款\n" + "一段很长的文字，" * 200, 1),
    ("# 条款\n" + "一段很长的文字，" * 600, 4),
]


@pytest.mark.parametrize(("last", "signers"), LAST_BLOCKS)
def test_the_table_lies_under_the_fields_whatever_comes_last(printer: ContractPrinter, last: str, signers: int) -> None:
    """Also where the last block and the table do not fit on one page."""
    template = dataclasses.replace(printer.templates.get("course", "zh"), clauses=f"# 首条\n开头。\n{last}")
    laid_out = printer.lay_out_by(template, minor(guardians=signers))
    for box in laid_out.boxes:
        assert box.page == laid_out.pages - 1
        if box.name == "seal":
            assert page_text(laid_out.pdf, box.page, box).strip() == "电子印章"
            continue
        assert page_text(laid_out.pdf, box.page, box).strip() == ""
        caption = dataclasses.replace(box, y1=box.y2, y2=box.y2 + 8 * 72 / 25.4)
        assert "乙方（监护人签名）" in page_text(laid_out.pdf, box.page, caption)


@pytest.mark.parametrize("case", CASES)
def test_each_signer_has_a_box_on_the_last_page_below_their_name(printer: ContractPrinter, case: str) -> None:
    language, data = CASES[case]
    laid_out = printer.lay_out("course", language, data)
    assert 3 <= laid_out.pages <= 4
    assert [box.name for box in laid_out.boxes] == ["seal", *(signer.field for signer in data.signers)]
    for box in laid_out.boxes:
        assert box.page == laid_out.pages - 1
        assert 0 < box.x1 < box.x2 < 595 and 0 < box.y1 < box.y2 < 842
        if box.name == "seal":
            assert box.x2 - box.x1 == pytest.approx(box.y2 - box.y1, abs=0.1)
            continue
        assert page_text(laid_out.pdf, box.page, box).strip() == ""
        caption = dataclasses.replace(box, y1=box.y2, y2=box.y2 + 8 * 72 / 25.4)
        name = next(signer.name for signer in data.signers if signer.field == box.name)
        assert name in page_text(laid_out.pdf, box.page, caption)


@pytest.mark.parametrize(
    "name", ["阿卜杜热西提·阿卜杜克里木江·麦麦提", "Wolfeschlegelsteinhausenbergerdorff Maximiliana Konstantinov"]
)
def test_a_long_name_stands_whole_in_one_line_above_its_box(printer: ContractPrinter, name: str) -> None:
    short = minor()
    data = dataclasses.replace(short, signers=tuple(dataclasses.replace(each, name=name) for each in short.signers))
    laid_out = printer.lay_out("course", "zh", data)
    (box,) = (each for each in laid_out.boxes if each.name != "seal")
    line = dataclasses.replace(box, y1=box.y2 + 2 * 72 / 25.4, y2=box.y2 + 8 * 72 / 25.4)
    assert f"乙方（监护人签名） {name}" in " ".join(page_text(laid_out.pdf, box.page, line).split())


@pytest.mark.parametrize("case", CASES)
def test_boxes_do_not_touch_each_other_nor_the_clauses(printer: ContractPrinter, case: str) -> None:
    language, data = CASES[case]
    laid_out = printer.lay_out("course", language, data)
    boxes = laid_out.boxes
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert one.x2 < other.x1 or other.x2 < one.x1 or one.y2 < other.y1 or other.y2 < one.y1
    seal = next(box for box in boxes if box.name == "seal")
    assert "".join(page_text(laid_out.pdf, seal.page, seal).split()) in ("电子印章", "Electronicseal")


def test_the_same_data_gives_the_same_bytes_in_any_thread(printer: ContractPrinter, font: ContractFont) -> None:
    expected = printer.lay_out("course", "zh", minor()).pdf
    again: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: again.append(printer.lay_out("course", "zh", minor()).pdf)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other = ContractPrinter(ContractTemplates(TEMPLATES), ClauseWriter(), font)
    assert [*again, other.lay_out("course", "zh", minor()).pdf] == [expected] * 5
    assert printer.lay_out("course", "zh", dataclasses.replace(minor(), number="HF-2026-000002")).pdf != expected


@pytest.mark.parametrize("case", CASES)
def test_the_text_version_says_what_the_paper_says(printer: ContractPrinter, case: str) -> None:
    language, data = CASES[case]
    laid_out = printer.lay_out("course", language, data)
    paper = all_text(laid_out).replace("\u00ad", "").replace("\ufffe", "").replace("-", "")
    for text in block_texts(laid_out.text):
        assert "".join(text.split()).replace("-", "")[:12] in paper


def test_a_minor_is_named_and_the_guardian_is_party_b(printer: ContractPrinter) -> None:
    text = all_text(printer.lay_out("course", "zh", minor()))
    assert "乙方（监护人）陈大川（学员的父亲）" in text
    assert "学员陈小满居民身份证**************1234" in text
    assert "学员未满十八周岁，由监护人作为乙方签署" in text
    assert "人民币叁仟元伍角整" in text


def test_an_adult_student_is_party_b(printer: ContractPrinter) -> None:
    text = all_text(printer.lay_out("course", "zh", adult()))
    assert "乙方（学员）MariaGonzalez" in text
    assert "监护人" not in text


def test_the_file_is_tagged_archivable_and_has_no_form(printer: ContractPrinter) -> None:
    with pikepdf.open(BytesIO(printer.lay_out("course", "en", adult()).pdf)) as document:
        assert document.Root.MarkInfo.Marked
        assert document.Root.Lang == "en-GB"
        assert "/AcroForm" not in document.Root
        metadata = bytes(document.Root.Metadata.read_bytes())
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in metadata


@pytest.mark.parametrize("name", ["李㛃", "王𠮷", "赵䶮", "龘龘", "𬭚生", "阿依努尔·买买提江"])
def test_rare_characters_are_drawn(printer: ContractPrinter, name: str) -> None:
    assert name in all_text(printer.lay_out("course", "zh", minor(name)))


def test_answers_are_personal_and_what_is_not_printed_does_not_count(printer: ContractPrinter) -> None:
    data = dataclasses.replace(minor(), extra={"answers": {"colour": "红色"}})
    assert "红色" in data.personal_texts()
    unprinted = dataclasses.replace(minor(), extra={"note": "答" * 100_000, "more": ["数", "数学素养"]})
    assert printer.lay_out("course", "zh", unprinted).pages == printer.lay_out("course", "zh", minor()).pages


def test_the_fonts_sister_draws_names_alike(font: ContractFont, tmp_path: Path) -> None:
    page = '#set text(lang: "zh", region: "cn", font: "{}", fallback: false)\n#set page(width: 9cm, height: 2cm)\n{}'
    names = "郎骨门户李㛃王𠮷赵䶮龘龘𬭚生阿依努尔·买买提江 HF-2026-014789 Zoë O’Neil“直”，。（父亲）"
    layout = tmp_path / "layout.typ"
    layout.write_text(page.format(FONT_NAME, names), "utf-8")
    drawn = compiler(layout, tmp_path, font.folder).compile(format="png")
    layout.write_text(page.format(SISTER_NAME, names), "utf-8")
    assert drawn == compiler(layout, tmp_path, font.folder).compile(format="png")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("陈🙂", "🙂 U+1F642 SLIGHTLY SMILING FACE"),
        ("𪜀小明", "𪜀 U+2A700"),
        ("陈\u202e满", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("陈\n# 免责", "U+000A"),
        ("陈\ue000", "U+E000"),
        ("陈\u200b满", "U+200B ZERO WIDTH SPACE"),
        ("葛\U000e0100", "U+E0100 VARIATION SELECTOR-17"),
    ],
)
def test_what_the_font_cannot_show_is_refused_by_name(printer: ContractPrinter, name: str, said: str) -> None:
    with pytest.raises(UndrawableText) as refused:
        printer.lay_out("course", "zh", minor(name))
    assert said in refused.value.detail


@pytest.mark.parametrize(
    "name",
    [
        '#read("layout.typ")',
        "*b* _i_ $x$ @l",
        "| a | b",
        "# 第零条",
        "{{ number }}",
        "! x",
        '\\")) #panic("x',
        "\\u{4e00}",
    ],
)
def test_a_value_is_printed_as_it_is(printer: ContractPrinter, name: str) -> None:
    laid_out = printer.lay_out("course", "zh", minor(name))
    assert "".join(name.split()) in all_text(laid_out)
    usual = printer.lay_out("course", "zh", minor())
    assert [type(block) for block in laid_out.text] == [type(block) for block in usual.text]


def test_terms_that_bind_hard_are_bold_and_refund_steps_stand_in_a_table(printer: ContractPrinter) -> None:
    text = printer.lay_out("course", "zh", minor()).text
    assert sum(isinstance(block, Paragraph) and block.strong for block in text) >= 4
    table = next(block for block in text if isinstance(block, Table) and block.head_rows)
    assert table.rows[1:] == (
        ("首次上课之前", "100%"),
        ("已上课时不超过总课时的三分之一", "100%"),
        ("已上课时超过三分之一、不超过三分之二", "95%"),
        ("已上课时超过三分之二", "90%"),
    )


def incomplete() -> dict[str, ContractData]:
    data = minor()
    return {
        "course": dataclasses.replace(data, course=None),
        "signers": dataclasses.replace(data, signers=()),
        "signers twice": dataclasses.replace(data, signers=data.signers * 2),
        "signers five": dataclasses.replace(
            data, signers=tuple(dataclasses.replace(data.signers[0], field=f"guardian-{n}") for n in range(1, 6))
        ),
    }


@pytest.mark.parametrize("what", incomplete())
def test_incomplete_data_is_refused(printer: ContractPrinter, what: str) -> None:
    with pytest.raises(BadInput) as refused:
        printer.lay_out("course", "zh", incomplete()[what])
    assert refused.value.field == what.partition(" ")[0]


def test_an_unmasked_number_never_reaches_a_contract() -> None:
    with pytest.raises(ValueError, match="masked"):
        StudentFacts("陈小满", "居民身份证", "340104201403050001")
    with pytest.raises(ValueError, match="masked"):
        GuardianFacts("陈大川", "父亲", "+8619000000001")


def test_a_missing_font_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(FontMissing, match="apt-get install fonts-noto-cjk"):
        ContractFont(tmp_path)


def test_templates_know_their_consent_and_their_hash(printer: ContractPrinter) -> None:
    chinese, english = (printer.templates.get("course", language) for language in ("zh", "en"))
    assert printer.templates.languages("course") == ["en", "zh"]
    assert chinese.consent.version != english.consent.version
    assert len(chinese.consent.sha256) == len(chinese.sha256) == 64
    assert chinese.sha256 != english.sha256
    with pytest.raises(BadInput) as refused:
        printer.templates.get("course", "fr")
    assert refused.value.field == "language"


def test_an_incomplete_template_is_named(tmp_path: Path) -> None:
    (tmp_path / "own-zh").mkdir()
    (tmp_path / "own-zh" / "template.toml").write_text('id = "own"\n', "utf-8")
    with pytest.raises(TemplateFailed, match="own-zh"):
        ContractTemplates(tmp_path)


def test_a_text_that_nobody_approved_is_laid_out_alike_in_a_child(printer: ContractPrinter) -> None:
    template, data = printer.templates.get("course", "zh"), minor()
    assert printer.lay_out_by(template, data, guarded=True) == printer.lay_out_by(template, data)
    missing = dataclasses.replace(template, layout=template.root / "no-such-layout.typ")
    with pytest.raises(TemplateFailed, match="could not be laid out"):
        printer.lay_out_by(missing, data, guarded=True)


def test_what_takes_too_much_ends_the_child_alone(tmp_path: Path, font: ContractFont) -> None:
    layout = tmp_path / "huge.typ"
    layout.write_text("#range(1000000000).len()", "utf-8")
    asked = {"layout": str(layout), "root": str(tmp_path), "fonts": str(font.folder), "contract": "{}"}
    asked["issued_at"] = "2026-12-01T10:00:00+00:00"
    child = TypstChild(Limits(memory_bytes=1 << 30, cpu_seconds=5, seconds=20))
    try:
        with pytest.raises(TemplateFailed, match="too much time or memory"):
            child.compile(asked)
        layout.write_text('#let draw(contract) = { set document(title: "x"); [fine] }', "utf-8")
        assert child.compile(asked).startswith(b"%PDF-")
    finally:
        child.close()
