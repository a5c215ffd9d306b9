"""`qianda verify` of packages: genuine ones, and items that do not fit each other though the real seal signed them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from hub.model.contract.contract import ContractState
from qianda.evidence.addendum import AddendumReport, LaterEntry
from qianda.evidence.container import open_container
from qianda.evidence.contents import ENDED_STATES, HASHES, VERSIONS
from qianda.evidence.custody import with_custody
from qianda.evidence.package_check import check_package
from qianda.evidence.package_report import STATE_WORDS, as_json, signatures_of
from qianda.evidence.reasons import BadPackage
from qianda.verify.elements import ElementAnswer, SigningParty, VerificationReport
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element, Word
from qianda.verify.pdf.signed_file import ContractName
from qianda.verify.reasons import OWNED_DECLARED, OWNED_TRIAL
from qianda.verify.trust import Trust
from tests.commands import run_command
from tests.evidence.ended_contracts import ended, package_of, pki_of, signed_items, trusted_pem
from tests.evidence.small_package import package_of as sign_items, proven
from tests.lifecycle.clockwork import quiet_hub
from tests.signing_parts import Pki, sample_pdf

Items = dict[str, bytes]
Change = Callable[[Items], Items]


def changed(name: str, before: bytes, after: bytes) -> Change:
    return lambda items: {**items, name: items[name].replace(before, after)}


def without(name: str) -> Change:
    return lambda items: {each: content for each, content in items.items() if each != name}


def without_last_entry(items: Items) -> Items:
    lines = items["record/record.jsonl"].splitlines(keepends=True)
    return {**items, "record/record.jsonl": b"".join(lines[:-1])}


def called_voided(items: Items) -> Items:
    voided = changed("contract/contract.json", b'"COMPLETED"', b'"VOIDED"')(items)
    return changed("contract/versions.json", b'"kind": "final"', b'"kind": "issued"')(
        {**voided, "contract/issued.pdf": items["contract/final.pdf"]}
    )


def retold(items: Items, change: Callable[[str, dict[str, Any]], str]) -> Items:
    """Change each line of the record; the entries are one chain nevertheless."""
    lines, previous = [], ""
    for line in items["record/record.jsonl"].decode().removesuffix("\n").split("\n"):
        entry = json.loads(line)
        lines.append(change(line, entry).replace(entry["previous"], previous or entry["previous"]))
        previous = hashlib.sha256(lines[-1].encode()).hexdigest()
    head = items["record/head.txt"].decode().rpartition("sha256 ")[0] + f"sha256 {previous}\n"
    record = "".join(f"{line}\n" for line in lines)
    return {**items, "record/record.jsonl": record.encode(), "record/head.txt": head.encode()}


def shown_something_else(items: Items) -> Items:
    """Tell in the record that the signer was shown another document."""
    return retold(items, lambda line, entry: line.replace(entry["facts"].get("shown_sha256", "-" * 65), "0" * 64))


def with_line_separators(items: Items) -> Items:
    """Write the characters of Unicode that end a line, but no entry, into an entry, as they are."""
    return retold(items, lambda line, _: line.replace('"facts":{"', '"facts":{"!":"a\u2028b\x85c","'))


SIGNER = "signers/guardian-1/"
WRONG: dict[str, tuple[Change, str]] = {
    "an entry was changed": (changed("record/record.jsonl", b'"issued"', b'"voided"'), "breaks the chain"),
    "the last entry is gone": (without_last_entry, "record/head.txt"),
    "no record": (without("record/record.jsonl"), "not an evidence package"),
    "another file": (lambda items: {**items, "contract/final.pdf": sample_pdf()}, "not the one that its versions"),
    "another state": (changed("contract/contract.json", b'"COMPLETED"', b'"VOIDED"'), "issued.pdf"),
    "something else was shown": (shown_something_else, "does not tell of the signature of guardian-1"),
    "a completed one that is called voided": (called_voided, "not the one that its versions"),
    "a key that did not sign": (
        changed(f"{SIGNER}signer.json", b'"certificate_sha256": "', b'"certificate_sha256": "0'),
        "signer guardian-1",
    ),
    "a state that is no text": (changed("contract/contract.json", b'"COMPLETED"', b'["COMPLETED"]'), "malformed"),
    "a field that is no text": (changed("contract/contract.json", b'"fields": [', b'"fields": [1, '), "malformed"),
    "a name twice": (changed("contract/contract.json", b'"state": ', b'"state": "VOIDED", "state": '), "malformed"),
    "no number": (changed("contract/contract.json", b'"state": ', b'"more": NaN, "state": '), "malformed"),
    "another coding": (
        lambda items: {**items, VERSIONS: items[VERSIONS].decode().encode("utf-16")},
        "malformed",
    ),
    "a name twice in the record": (
        lambda items: retold(items, lambda line, _: line.replace('"facts":', '"kind":"voided","facts":')),
        "malformed",
    ),
    "another contract": (changed("contract/contract.json", b'"QD-2026', b'"QD-2025'), "record/head.txt"),
    "another signature": (changed(f"{SIGNER}attributes-001.der", b"\x06", b"\x07"), "is wrong"),
    "another application": (changed(f"{SIGNER}application-001.bin", b"qianda-key", b"qianda-kex"), "is wrong"),
}


def with_hashes(items: Items) -> Items:
    """Return the items with the `hashes.txt` that a forger would write."""
    others = {name: content for name, content in items.items() if name != HASHES}
    lines = [
        f"{hashlib.sha256(content).hexdigest()} {hashlib.new('sm3', content).hexdigest()} {name}\n"
        for name, content in others.items()
    ]
    return {**others, HASHES: "".join(lines).encode()}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], Path]:
    """Return a genuine package, and wrong ones that the real seal signed, with the certificates to trust."""
    import asyncio

    async def make() -> tuple[dict[str, bytes], bytes]:
        async with quiet_hub() as running:
            genuine = await package_of(running, await ended(running, "completed"))
            items, pki = signed_items(genuine), pki_of(running)
            made = {"genuine": genuine, "signed again": await sign_items(with_hashes(items), pki)}
            made["line separators"] = await sign_items(with_hashes(with_line_separators(items)), pki)
            made["other hashes"] = await sign_items({**items, HASHES: items[HASHES].replace(b"a", b"b", 1)}, pki)
            for name, (change, _) in WRONG.items():
                assert change(items) != items, name
                made[name] = await sign_items(with_hashes(change(items)), pki)
            other = await Pki.make(organisation="另一学校")
            listed = {**items, "trust/other.crl": await other.authority.revocation_list([])}
            made["by another school"] = await sign_items(with_hashes(listed), other)
            made["two records"] = await proven(genuine, pki, second=await Pki.make())
            made["voided"] = await package_of(running, await ended(running, "voided"))
            called = changed("contract/contract.json", b'"VOIDED"', '"已完成"'.encode())(signed_items(made["voided"]))
            made["an unknown state"] = await sign_items(with_hashes(called), pki)
            return made, trusted_pem(running) + other.write_trust(
                tmp_path_factory.mktemp("other") / "x.pem"
            ).read_bytes()

    made, trusted = asyncio.run(make())
    path = tmp_path_factory.mktemp("packages") / "trusted.pem"
    path.write_bytes(trusted)
    return made, path


@pytest.mark.parametrize("name", ["genuine", "signed again", "line separators", "voided"])
def test_accepts_what_fits(packages: tuple[dict[str, bytes], Path], name: str) -> None:
    made, trusted = packages
    report = check_package(made[name], Trust.load([trusted]))
    assert (report.fault, report.failed) == (None, False)
    signatures = signatures_of(report)
    assert {signature.indication for signature in signatures} == {"total-passed"}
    assert len(signatures) == (1 if name == "voided" else 3)  # of the package; of a signer, and the seal
    assert (report.document is None) == (name == "voided")


def test_a_record_of_an_authority_that_is_not_trusted_is_named_and_does_not_count(
    packages: tuple[dict[str, bytes], Path],
) -> None:
    made, trusted = packages
    report = check_package(made["two records"], Trust.load([trusted]))
    assert not report.failed and report.proven_since is not None
    assert report.untrusted_proofs == ["META-INF/evidencerecord002.ers"]
    said = as_json(report)["verdict"]
    assert any("evidencerecord002.ers does not count" in each["en"] for each in said)
    assert any("evidencerecord002.ers 不计入" in each["zh"] for each in said)


def test_who_made_a_package_for_the_file_of_another_school_is_said_plainly(
    packages: tuple[dict[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is genuine, but its record could be anything."""
    made, trusted = packages
    trust = Trust.load([trusted])
    monkeypatch.setattr(
        "qianda.evidence.package_check.with_custody", lambda document, _: replace(document, file="raised")
    )
    own, other = (check_package(made[name], trust) for name in ("genuine", "by another school"))
    assert not own.failed and own.document is not None and (own.sealed_by, own.document.file) == ("", "raised")
    assert not other.failed and other.document is not None and other.document.file != "raised"
    assert other.sealed_by == as_json(other)["sealed_by_another"] != ""
    note = as_json(other)["verdict"][1]
    assert f"Note: {other.sealed_by}" in note["en"] and "仅为另一学校" in note["zh"]
    assert len(as_json(own)["verdict"]) == len(as_json(other)["verdict"]) - 1


def test_a_contract_that_was_withdrawn_is_not_called_completed(packages: tuple[dict[str, bytes], Path]) -> None:
    """Its package has no finished file, and the report would say what state the package claims."""
    made, trusted = packages
    report = check_package(made["an unknown state"], Trust.load([trusted]))
    assert report.failed and "已完成" not in str(as_json(report)["verdict"])
    assert set(ENDED_STATES) == {state.value for state in ContractState if state.final} == set(STATE_WORDS)


@pytest.mark.parametrize("name", list(WRONG))
def test_refuses_what_does_not_fit(packages: tuple[dict[str, bytes], Path], name: str) -> None:
    made, trusted = packages
    report = check_package(made[name], Trust.load([trusted]))
    assert report.failed and report.fault is not None
    assert WRONG[name][1] in report.fault.en
    assert not re.search("[A-Za-z]{2,} [A-Za-z]{2,}", report.fault.zh), report.fault.zh
    assert [signature.indication for signature in signatures_of(report)] == ["total-failed"]


def test_who_is_not_trusted_is_indeterminate(packages: tuple[dict[str, bytes], Path]) -> None:
    report = check_package(packages[0]["genuine"], Trust())
    assert report.failed and [each.indication for each in signatures_of(report)] == ["indeterminate"]
    (sentence,) = as_json(report)["verdict"]
    assert "could not be checked" in sentence["en"] and "未能核对" in sentence["zh"]


def test_nothing_in_the_json_of_a_package_can_control_a_terminal(packages: tuple[dict[str, bytes], Path]) -> None:
    made, trusted = packages
    report = check_package(made["genuine"], Trust.load([trusted]))
    assert report.contract is not None and report.signer is not None
    hostile = "a\x9b2J\u202eb"
    entry, revoked = LaterEntry(1, hostile, hostile), {"field": hostile, "revoked_at": hostile}
    addendum = AddendumReport(1, report.signer, [entry], None, [revoked])
    contract = {**dict.fromkeys(report.contract, hostile), "state": "VOIDED"}
    said = as_json(replace(report, contract=contract, addendum=addendum))
    assert "a\ufffd2J\ufffdb" in said["contract"]["school"]
    assert "\x9b" not in json.dumps(said, ensure_ascii=False) and "\u202e" not in json.dumps(said, ensure_ascii=False)


def test_refuses_other_hashes_and_another_contract_than_expected(packages: tuple[dict[str, bytes], Path]) -> None:
    made, trusted = packages
    report = check_package(made["other hashes"], Trust.load([trusted]))
    assert report.fault is not None and "hashes.txt" in report.fault.en
    report = check_package(made["genuine"], Trust.load([trusted]), Expectation(number="QD-2026-000999"))
    assert report.fault is not None and "not QD-2026-000999" in report.fault.en


@pytest.mark.parametrize(
    "expected", [Expectation(document_sha256="0" * 64), Expectation(fields=("guardian-1", "seal"))]
)
def test_a_contract_that_was_not_completed_is_compared_with_what_is_expected(
    packages: tuple[dict[str, bytes], Path], expected: Expectation
) -> None:
    made, trusted = packages
    assert check_package(made["voided"], Trust.load([trusted]), expected).failed
    issued = hashlib.sha256(open_container(made["voided"]).items["contract/issued.pdf"]).hexdigest()
    assert not check_package(made["voided"], Trust.load([trusted]), Expectation(document_sha256=issued)).failed


@pytest.mark.parametrize(("name", "said"), [("photo.jpg", "an ordinary ZIP file"), ("META-INF/x", "not the mimetype")])
def test_an_ordinary_zip_is_called_one(packages: tuple[dict[str, bytes], Path], name: str, said: str) -> None:
    _, trusted = packages
    written = BytesIO()
    with ZipFile(written, "w") as ordinary:
        ordinary.writestr("folder/", "")
        ordinary.writestr(name, "a picture")
    report = check_package(written.getvalue(), Trust.load([trusted]))
    assert report.failed and report.fault and said in report.fault.en


def test_the_command_checks_packages(packages: tuple[dict[str, bytes], Path], tmp_path: Path) -> None:
    made, trusted = packages
    file = tmp_path / "evidence.zip"
    environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    for name, code in (("genuine", 0), ("another file", 1)):
        file.write_bytes(made[name])
        done = run_command(["verify", str(file), "--trust", str(trusted), "--json"], environment)
        assert done.returncode == code, done.stderr
        assert json.loads(done.stdout)["failed"] == bool(code)
    done = run_command(["verify", str(file), "--trust", str(trusted), "--language", "zh"], environment)
    assert done.returncode == 1 and "不可信" in done.stdout


def test_the_command_checks_a_file_together_with_its_package(
    packages: tuple[dict[str, bytes], Path], tmp_path: Path
) -> None:
    made, trusted = packages
    final = open_container(made["genuine"]).items["contract/final.pdf"]
    environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    cases = (("genuine", final, 0), ("genuine", final + b" ", 1), ("voided", final, 1), ("genuine", made["voided"], 2))
    for number, (name, content, code) in enumerate(cases):
        file, package = tmp_path / f"{number}.pdf", tmp_path / f"{number}.zip"
        file.write_bytes(content)
        package.write_bytes(made[name])
        arguments = ["verify", str(file), str(package), "--trust", str(trusted), "--json"]
        done = run_command(arguments, environment)
        assert done.returncode == code, (name, done.stdout, done.stderr)


def test_a_file_with_its_package_is_still_compared_with_the_manifest(
    packages: tuple[dict[str, bytes], Path], tmp_path: Path
) -> None:
    made, trusted = packages
    final = open_container(made["genuine"]).items["contract/final.pdf"]
    file, package, manifest = (tmp_path / name for name in ("final.pdf", "package.zip", "manifest.json"))
    file.write_bytes(final)
    package.write_bytes(made["genuine"])
    for sha256, code in ((hashlib.sha256(final).hexdigest().upper(), 0), ("0" * 64, 1)):
        manifest.write_text(json.dumps({"final_sha256": sha256}), "utf-8")
        arguments = ["verify", str(file), str(package), "--trust", str(trusted), "--manifest", str(manifest)]
        assert run_command(arguments, os.environ | {"LC_ALL": "C.UTF-8"}).returncode == code
    file.write_bytes(final + b" ")
    manifest.write_text(json.dumps({"final_sha256": hashlib.sha256(final).hexdigest()}), "utf-8")
    assert run_command(arguments, os.environ | {"LC_ALL": "C.UTF-8"}).returncode == 1


def test_what_is_required_and_not_shown_fails_with_its_name(
    packages: tuple[dict[str, bytes], Path], tmp_path: Path
) -> None:
    made, trusted = packages
    file = tmp_path / "evidence.zip"
    file.write_bytes(made["genuine"])
    environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    done = run_command(["verify", str(file), "--trust", str(trusted), "--require", "shown", "--json"], environment)
    said = json.loads(done.stdout)
    # A trial: certificates and time are of the built-in authority; and nothing confirmed this very act.
    assert (done.returncode, said["failed"]) == (1, False)
    assert said["lacking"] == ["exclusively owned", "exclusively used", "time"]
    done = run_command(["verify", str(file), "--trust", str(trusted), "--require", "shown"], environment)
    assert done.returncode == 1 and "Less than was required: time: not shown" in done.stdout


@pytest.mark.parametrize(
    ("custody", "provider", "result", "word"),
    [
        ("usb-token", "acme", "matched", Word.SHOWN),
        ("browser", "acme", "matched", Word.DECLARED),
        ("usb-token", "roster", "matched", Word.DECLARED),
        ("usb-token", "acme", "declared", Word.DECLARED),
    ],
)
def test_a_package_shows_who_owned_a_key_if_custody_and_identity_were_proved(
    custody: str, provider: str, result: str, word: Word
) -> None:
    signer = {
        "signatures": [
            {"field": "guardian-1", "custody": custody, "certificate_sha256": "ab"},
            {"field": "guardian-1", "custody": "usb-token", "certificate_sha256": "cd"},  # is not in the file
        ],
        "identity": [{"provider": provider, "result": result}],
    }
    items = {"signers/guardian-1/signer.json": json.dumps(signer).encode()}
    declared = (ElementAnswer(Element.OWNED, Word.DECLARED, OWNED_DECLARED),)
    trial = (ElementAnswer(Element.OWNED, Word.NOT_SHOWN, OWNED_TRIAL),)
    for answers, raised in ((declared, word), (trial, Word.NOT_SHOWN)):
        person = SigningParty("guardian-1", False, "x", "", "y", None, answers, "ab")
        report = VerificationReport("", "", 0, ContractName("", "", ""), answers, (person,), None, False)
        assert [answer.word for answer in with_custody(report, items).document] == [raised]
    with pytest.raises(BadPackage):
        with_custody(report, {})
