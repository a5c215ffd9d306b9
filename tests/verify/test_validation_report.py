"""The report of TS 119 102-2 is valid against its schema, and says what was found."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from qianda.verify import verify_bytes
from qianda.verify.trust import Trust
from qianda.verify.validation_report import FAILED, VR, ReportedSignature, signatures_of, validation_report
from tests.commands import run_command
from tests.judges import program
from tests.signing_parts import FinishedParts

SCHEMAS = Path(__file__).parents[2].parent / "shared" / "peers" / "asic" / "xsd"
# Where the schemas look for each other, and the files that we have.
LOCAL = {
    "xmldsig-core-schema.xsd": "xmldsig-core-schema.xsd",
    "XAdES.xsd": "XAdES01903v132-202407.xsd",
    "ts_119612v020201_201601xsd.xsd": "ts_119612v020401_xsd.xsd",
    "xml.xsd": "xml.xsd",
}
LOCATION = re.compile(r'schemaLocation="([^"]*)"')
AT = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def schema() -> Any:
    etree = pytest.importorskip("lxml.etree")
    main = SCHEMAS / "TS119102-2-v141.xsd"
    if not main.exists():
        pytest.skip("the schema is missing: it belongs in ../shared/peers/asic/xsd, beside the repository")

    class Local(etree.Resolver):  # type: ignore[misc,name-defined]
        def resolve(self, url: str, _name: str, context: Any) -> Any:
            name = url.rpartition("/")[2]
            return self.resolve_filename(str(SCHEMAS / LOCAL[name]), context) if name in LOCAL else None

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Local())
    return etree.XMLSchema(etree.parse(str(main), parser))


def check(schema: Any, report: bytes) -> None:
    etree = pytest.importorskip("lxml.etree")
    schema.assertValid(etree.fromstring(report))


def indications(report: bytes) -> list[str]:
    found = ElementTree.fromstring(report).iterfind(f".//{{{VR}}}SignatureValidationStatus/{{{VR}}}MainIndication")
    return [(each.text or "").rpartition(":")[2] for each in found]


def test_the_report_of_a_genuine_contract_is_valid(contract: FinishedParts, trust: Trust, schema: Any) -> None:
    report = validation_report(signatures_of(verify_bytes(contract.final, trust)), AT)
    check(schema, report)
    assert indications(report) == ["total-passed"] * 3
    assert "exclusively-owned" in report.decode()


@pytest.mark.real
def test_xmllint_finds_the_report_valid(contract: FinishedParts, trust: Trust, tmp_path: Path) -> None:
    xmllint, main = program("xmllint"), SCHEMAS / "TS119102-2-v141.xsd"
    if not main.exists():
        pytest.skip("the schema is missing: it belongs in ../shared/peers/asic/xsd, beside the repository")
    named = {each for file in SCHEMAS.glob("*.xsd") for each in LOCATION.findall(file.read_text("utf-8"))}
    known = {each: SCHEMAS / LOCAL[name] for each in named if (name := each.rpartition("/")[2]) in LOCAL}
    catalog = "".join(f'<system systemId="{each}" uri="{file.as_uri()}"/>' for each, file in known.items())
    (tmp_path / "catalog.xml").write_text(
        f'<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">{catalog}</catalog>'
    )
    report = validation_report(signatures_of(verify_bytes(contract.final, trust)), AT)
    for content, code in ((report, 0), (report.replace(b"MainIndication", b"Indication"), 3)):
        (tmp_path / "report.xml").write_bytes(content)
        command = [xmllint, "--noout", "--nonet", "--schema", str(main), "report.xml"]
        done = subprocess.run(
            command, cwd=tmp_path, env={"XML_CATALOG_FILES": "catalog.xml"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr


def test_who_is_not_trusted_is_indeterminate(contract: FinishedParts, schema: Any) -> None:
    report = validation_report(signatures_of(verify_bytes(contract.final, Trust())), AT)
    check(schema, report)
    assert indications(report) == ["indeterminate"] * 3


def test_an_altered_file_has_failed(contract: FinishedParts, trust: Trust, schema: Any) -> None:
    altered = contract.final.replace(b"CNY 12,800.00", b"CNY 22,800.00")
    assert altered != contract.final
    report = validation_report(signatures_of(verify_bytes(altered, trust)), AT)
    check(schema, report)
    assert set(indications(report)) == {"total-failed"}


def test_the_command_writes_it_into_a_new_file(contract: FinishedParts, tmp_path: Path) -> None:
    file, report = tmp_path / "contract.pdf", tmp_path / "report.xml"
    file.write_bytes(contract.final)
    words = ["verify", str(file), "--trust", str(contract.trust_pem), "--report", str(report)]
    assert run_command(words, {"LANG": "C.UTF-8"}).returncode == 0
    assert indications(report.read_bytes()) == ["total-passed"] * 3
    again = run_command(words, {"LANG": "C.UTF-8"})
    assert again.returncode == 2 and "report.xml" in again.stderr


@pytest.mark.parametrize(
    "name", ["\x1b[2J.pdf", os.fsdecode(b"\xff.pdf"), "\ufffe.pdf", "\uffff", "fdp.\u202eexe"], ids=ascii
)
def test_the_report_is_xml_whatever_the_file_and_its_signer_are_called(name: str) -> None:
    """An altered file stands in the report by its name, and a certificate holds any text."""
    written = validation_report([ReportedSignature(name, name, None, "00" * 32, FAILED, "FORMAT_FAILURE")], AT)
    root = ElementTree.fromstring(written)
    texts = [root.findtext(f".//{{{VR}}}{tag}") for tag in ("DAIdentifier", "OtherInformation")]
    assert all(text and text.isprintable() and "\ufffd" in text for text in texts)
