"""Every changed byte and every added member is refused; what a file hides in its container is, too."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from rich.console import Console

from hub.errors import BadInput
from qianda import der
from qianda.ofd.container import OfdContainer
from qianda.ofd.signature_parts import read_document
from qianda.verify import UnreadableDocument, verify_bytes
from qianda.verify.findings import Element
from qianda.verify.report import show
from tests.ofd.changes import changed_files
from tests.ofd.foreign import Habits, foreign_ofd
from tests.ofd.identities import Identities
from tests.ofd.plain import PAGE, members_of, plain_ofd, with_members
from tests.verify.hidden_pdf import EXTRA, PDF, words_shown

SEED = 20261127


def _accepted(who: Identities, sealed: bytes, count: int) -> list[str]:
    trust = who.trust
    assert not verify_bytes(sealed, trust).failed  # the honest file
    accepted = []
    for what, file in changed_files(sealed, count, SEED):
        try:
            if not verify_bytes(file, trust).failed:
                accepted.append(what)
        except UnreadableDocument:
            continue
    return accepted


def test_changed_bytes_and_added_members_are_refused(who: Identities, sealed: bytes) -> None:
    assert _accepted(who, sealed, 200) == []


@pytest.mark.real
def test_two_thousand_changes_are_refused(who: Identities, sealed: bytes) -> None:
    assert _accepted(who, sealed, 2_000) == []


@pytest.mark.parametrize(
    "habits",
    [
        Habits(version=0, kind="Sign", parameters=b"\x05\0"),
        pytest.param(Habits(version=0, kind="Sign", attributes=True), marks=pytest.mark.real),
    ],
    ids=["with parameters", "with attributes"],
)
async def test_no_byte_of_a_value_can_be_changed(who: Identities, habits: Habits) -> None:
    """The value of the last signature is covered by none: what is in it is signed, or has one form."""
    file = await foreign_ofd(plain_ofd(), who, habits)
    name, trust, accepted = "Doc_0/Signs/Sign_9/SignedValue.dat", who.trust, []
    value = members_of(file)[name]
    for at in range(len(value)):
        changed = value[:at] + bytes((value[at] ^ (1 << at % 8),)) + value[at + 1 :]
        try:
            if not verify_bytes(with_members(file, **{name: changed}), trust).failed:
                accepted.append(at)
        except UnreadableDocument:
            continue
    assert accepted == []


@pytest.mark.parametrize("name", [PAGE, "OFD.xml", "Doc_0/Document.xml"])
async def test_what_is_shown_is_not_the_list_of_signatures_as_well(who: Identities, name: str) -> None:
    """A signature does not cover the list of signatures, so the text in it could be altered afterwards."""
    plain = plain_ofd()
    named = f"<ofd:Signatures>{name}</ofd:Signatures></ofd:DocBody>".encode()
    head = members_of(plain)["OFD.xml"].replace(b"</ofd:DocBody>", named)
    with pytest.raises(BadInput, match="more than a list"):
        await who.sealed(with_members(plain, **{"OFD.xml": head}))


async def test_a_list_of_signatures_holds_nothing_else(who: Identities, sealed: bytes) -> None:
    name = read_document(OfdContainer(sealed)).signatures_member
    for more in (b"<Content><Layer/></Content>", b"<Signature ID='9'><Layer/></Signature>"):
        listed = members_of(sealed)[name].replace(b"</ofd:Signatures>", more + b"</ofd:Signatures>")
        with pytest.raises(UnreadableDocument, match="more than a list"):
            verify_bytes(with_members(sealed, **{name: listed}), who.trust)


def test_the_description_of_a_signature_is_no_page_as_well(who: Identities, sealed: bytes) -> None:
    """A page that does not exist yet could appear with the last signature, which those before do not cover."""
    name = "Doc_0/Signs/Sign_1/Signature.xml"
    described = members_of(sealed)[name].replace(
        b"</ofd:Signature>", b"<ofd:Content><ofd:Layer ID='9'/></ofd:Content></ofd:Signature>"
    )
    with pytest.raises(UnreadableDocument, match="more than a signature"):
        verify_bytes(with_members(sealed, **{name: described}), who.trust)


@pytest.mark.parametrize("version", [1, 4, 5])
async def test_nothing_follows_the_signature_in_a_sealed_value(who: Identities, version: int) -> None:
    file = await foreign_ofd(plain_ofd(), who, Habits(version=version))
    name = "Doc_0/Signs/Sign_9/SignedValue.dat"
    value, trust = der.read(members_of(file)[name]), who.trust
    assert not verify_bytes(file, trust).failed
    for more in (b"\x05\0", value.children(der.SEQUENCE)[-1].whole, b"\xa1\0"):
        longer = der.encode(der.SEQUENCE, value.content + more)
        report = verify_bytes(with_members(file, **{name: longer}), trust)
        assert any("more than its parts" in answer.reason.en for answer in report.document)


@pytest.mark.parametrize("comment", [b"", b"<!-- %b-->" % PDF], ids=["an extra field", "a comment in XML"])
def test_no_file_is_a_pdf_as_well(who: Identities, sealed: bytes, comment: bytes) -> None:
    """Everybody could let a sealed OFD show another text, under the name of a PDF."""
    listed, members = read_document(OfdContainer(sealed)).signatures_member, members_of(sealed)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in {listed: members.pop(listed) + comment, **members}.items():
            info = zipfile.ZipInfo(name)
            info.extra = b"" if comment or name != listed else EXTRA
            opened.writestr(info, content)
    assert words_shown(file.getvalue()) == ["CNY", "1.00"]
    with pytest.raises(UnreadableDocument, match="it is a PDF as well"):
        verify_bytes(file.getvalue(), who.trust)


def test_the_list_that_no_signature_covers_writes_nothing_over_the_report(who: Identities, sealed: bytes) -> None:
    name, hostile = read_document(OfdContainer(sealed)).signatures_member, b"&#x9b;2J&#x202e;&#10;Result"
    listed = members_of(sealed)[name]
    ids = re.findall(rb'<ofd:Signature [^>]*ID="(\w+)"', listed)
    assert len(ids) == 2
    for each in ids:
        listed = listed.replace(b'ID="%b"' % each, b'ID="%b%b"' % (each, hostile))
    report = verify_bytes(with_members(sealed, **{name: listed}), who.trust)
    assert not report.failed and {len(party.answers) for party in report.parties} == {len(Element)}
    assert all(party.field.isprintable() for party in report.parties)
    shown = io.StringIO()
    show(report, Console(file=shown, width=300), "en")
    assert shown.getvalue().replace("\n", "").isprintable()


def test_every_byte_of_the_container_but_a_few_is_accounted_for(who: Identities, sealed: bytes) -> None:
    """Change bytes of the file itself. What may change are versions, dates and attributes in its headers, which no
    reader shows, and the list of signatures, as long as it still lists them."""
    accepted, trust = 0, who.trust
    names = [party.name for party in verify_bytes(sealed, trust).parties]
    for at in range(0, len(sealed), 29):
        changed = sealed[:at] + bytes((sealed[at] ^ 0x10,)) + sealed[at + 1 :]
        try:
            report = verify_bytes(changed, trust)
        except UnreadableDocument:
            continue
        if not report.failed:
            accepted += 1
            assert [party.name for party in report.parties] == names
    assert accepted <= len(sealed) // 29 // 10
