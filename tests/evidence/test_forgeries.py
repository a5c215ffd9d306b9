"""Forty forged packages of ten kinds are refused, forty genuine ones accepted."""

from __future__ import annotations

import asyncio
import hashlib
import struct
import zipfile
import zlib
from dataclasses import replace
from io import BytesIO

import pytest
from asn1crypto import x509

from hub.documents.evidence.hash_tree import last_timestamp_digest, with_renewed_timestamp
from qianda import der
from qianda.evidence import items as package_items
from qianda.evidence.container import PROOF, PROOF_MANIFEST, SIGNATURE, open_container
from qianda.evidence.reasons import LISTS_UNREADABLE, BadPackage
from qianda.evidence.signer import check_signer
from qianda.verify.reasons import NOT_FOR_SIGNING, SEAL_UNKNOWN
from qianda.verify.trust import Trust
from tests.evidence.forged_packages import forgeries, items_of, zipped
from tests.evidence.small_package import ITEMS, LIST, SmallPackage, package_of, proven
from tests.signing_parts import with_broken_extension
from tests.verify.hidden_pdf import EXTRA, PDF, words_shown

GENUINE = 40


def accept(file: bytes, trust: Trust) -> None:
    check_signer(open_container(file), trust)


def is_refused(file: bytes, trust: Trust) -> bool:
    try:
        accept(file, trust)
    except BadPackage:
        return True
    return False


def test_refuses_forty_forgeries_of_ten_kinds(package: SmallPackage) -> None:
    made = asyncio.run(forgeries(package))
    assert [len(files) for files in made.values()] == [4] * 10
    for kind, files in made.items():
        for number, file in enumerate(files):
            assert is_refused(file, package.trust), f"accepted: {kind} {number}"


def test_accepts_forty_genuine_ones(package: SmallPackage) -> None:
    async def make(number: int) -> bytes:
        items = {**ITEMS, f"contract/version-{number}.pdf": bytes([number]) * number * 1000}
        file = await package_of(items, package.pki)
        return await proven(file, package.pki, number) if number % 2 else file

    for number in range(GENUINE):
        accept(asyncio.run(make(number)), package.trust)


def test_the_way_of_packing_does_not_matter(package: SmallPackage) -> None:
    """The control of the forgeries: their ZIP writer alone changes no verdict."""
    accept(zipped(items_of(package.proven).items()), package.trust)
    accept(zipped(items_of(package.proven).items(), packed=False), package.trust)


def test_every_byte_counts(package: SmallPackage) -> None:
    """Each byte of the record and of the signature is changed once. Bits that mean nothing are refused as well."""
    items = items_of(package.proven)
    for name in (PROOF, "META-INF/signature001.p7s"):
        content = items[name]
        for at in range(0, len(content), 7):
            changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            forged = zipped({**items, name: changed}.items())
            assert is_refused(forged, package.trust), f"accepted: {name} with another byte {at}"


def test_accepts_a_renewed_timestamp(package: SmallPackage) -> None:
    items = items_of(package.proven)
    token = asyncio.run(package.pki.timestamps.timestamp(last_timestamp_digest(items[PROOF])))
    renewed = open_container(zipped({**items, PROOF: with_renewed_timestamp(items[PROOF], token)}.items()))
    assert [proof.renewals for proof in renewed.proofs.values()] == [1]


def test_refuses_bombs(package: SmallPackage) -> None:
    items = items_of(package.file)
    with pytest.raises(BadPackage, match="limit"):
        open_container(zipped([*items.items(), ("zeros", bytes(8 << 20))]))
    many = zipped([*items.items(), *((f"{number}", b"") for number in range(package_items.MAX_ITEMS))], packed=False)
    with pytest.raises(BadPackage, match="limit"):
        open_container(many)
    # What the header says is what is unpacked, not a byte more: a member that grows further is refused.
    bomb = zipped([*items.items(), ("zeros", bytes(1 << 20))])
    lying = bomb.replace((1 << 20).to_bytes(4, "little"), (1 << 10).to_bytes(4, "little"))
    with pytest.raises(BadPackage, match="unpacked"):
        open_container(lying)
    with pytest.raises(BadPackage, match="limit"):
        package_items.read_items(package.file, replace(package_items.RULES, max_total_bytes=1000))


def test_refuses_a_symbolic_link(package: SmallPackage) -> None:
    file = BytesIO(package.file)
    with zipfile.ZipFile(file, "a") as opened:
        link = zipfile.ZipInfo("contract/link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(BadPackage, match="not allowed"):
        open_container(file.getvalue())


def test_refuses_a_second_name_that_some_programs_would_take(package: SmallPackage) -> None:
    file = BytesIO(package.file)
    with zipfile.ZipFile(file, "a") as opened:
        info = zipfile.ZipInfo("more.txt")
        info.extra = struct.pack("<HHBL", 0x7075, 14, 1, zlib.crc32(b"more.txt")) + b"CHECK.md\0"
        opened.writestr(info, b"echo ALL CHECKS PASSED")
    with pytest.raises(BadPackage, match="two names"):
        open_container(file.getvalue())


@pytest.mark.parametrize(("where", "comment"), [(LIST, b""), (PROOF_MANIFEST, b"<!-- %b-->" % PDF)])
def test_refuses_a_pdf_beside_what_is_signed(package: SmallPackage, where: str, comment: bytes) -> None:
    """Everybody could let a package show another contract, under the name of a PDF."""
    items = items_of(package.proven)
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name in sorted(items, key=lambda name: (name != "mimetype", name != where)):
            info = zipfile.ZipInfo(name)
            info.extra = EXTRA if name == where and not comment else b""
            opened.writestr(info, items[name].replace(b"?>", b"?>" + comment, name == where))
    assert words_shown(file.getvalue()) == ["CNY", "1.00"]
    with pytest.raises(BadPackage, match="it is a PDF as well"):
        open_container(file.getvalue())


def test_refuses_what_leads_to_a_second_directory(package: SmallPackage) -> None:
    """Programs that look for the 64-bit end of a directory would unpack other files than those that were signed."""
    empty = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 0, 0, 0, 0)
    hidden = empty + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in items_of(package.file).items():
            info = zipfile.ZipInfo(name)
            info.extra = b"" if name == "mimetype" else struct.pack("<2H", 0xBEEF, len(hidden)) + hidden
            opened.writestr(info, content)
    assert zipfile.ZipFile(file).namelist() == []
    with pytest.raises(BadPackage, match="two directories"):
        open_container(file.getvalue())


def test_refuses_a_manifest_that_asks_for_more() -> None:
    from qianda.evidence.manifest import read_manifest

    asks = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    for text in (asks, b"<a/>", b"", b"<a>" * 100_000):
        with pytest.raises(BadPackage, match="cannot be read") as refused:
            read_manifest("META-INF/ASiCManifest001.xml", text)
        assert refused.value.reason.en.count("ASiCManifest001") == 1


@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
def test_refuses_a_document_type_in_any_coding(package: SmallPackage, coding: str) -> None:
    """The manifest of an evidence record is not signed, so everybody could let its names be those of entities."""
    items = items_of(package.proven)
    for entity, refused in ((b"", False), (b'<!DOCTYPE a [<!ENTITY b "c">]>', True)):
        text = items[PROOF_MANIFEST].replace(b'"UTF-8"?>', b'"%b"?>%b' % (coding.encode(), entity)).decode()
        file = zipped({**items, PROOF_MANIFEST: text.encode(coding)}.items())
        assert is_refused(file, package.trust) == refused


@pytest.mark.parametrize("more", [b"\x05\0", b"\x30\0", b"\x30\x7f", b"\x30\x04\x06\2\x2a\3"])
def test_refuses_unsigned_attributes_that_cannot_be_read(package: SmallPackage, more: bytes) -> None:
    """No signature covers them, so everybody can add some."""

    def longer(element: der.DerElement, path: list[tuple[int, int]]) -> bytes:
        """Return the element with more at the end of the part to which `path` leads, by tags and numbers."""
        if not path:
            return der.encode(element.tag, element.content + more)
        parts = element.children(element.tag)
        at, rest = path[0], path[1:]
        return der.encode(
            element.tag,
            b"".join(
                longer(each, rest) if (number, each.tag) == at else each.whole for number, each in enumerate(parts)
            ),
        )

    items = items_of(package.file)
    unsigned = [(1, 0xA0), (0, 0x30), (4, 0x31), (0, 0x30), (6, 0xA1)]
    changed = longer(der.read(items[SIGNATURE]), unsigned)
    assert changed != items[SIGNATURE]
    assert is_refused(zipped({**items, SIGNATURE: changed}.items()), package.trust)


@pytest.mark.parametrize("content", [b"\x30", b"\x30\x03\2\1\5"])
async def test_refuses_a_revocation_list_that_cannot_be_read(package: SmallPackage, content: bytes) -> None:
    file = await package_of({**package.items, LIST: content}, package.pki)
    with pytest.raises(BadPackage) as refused:
        await asyncio.to_thread(accept, file, package.trust)
    assert refused.value.reason == LISTS_UNREADABLE and refused.value.reason.zh.isalpha()


async def test_refuses_a_certificate_of_the_seal_that_is_not_for_signing(package: SmallPackage) -> None:
    """The key of a certificate for encryption is usually known to its authority as well."""
    pki = package.pki
    certificate = x509.Certificate.load(pki.seal.chain[0])
    body = certificate["tbs_certificate"]
    for extension in body["extensions"]:
        if extension["extn_id"].native == "key_usage":
            extension["extn_value"] = {"key_encipherment"}
    certificate["signature_value"] = await pki.authority._key.sign(body.dump(force=True))
    other = replace(pki, seal=replace(pki.seal, chain=(certificate.dump(force=True), *pki.seal.chain[1:])))
    file = await package_of({**package.items}, other)
    with pytest.raises(BadPackage) as refused:
        await asyncio.to_thread(accept, file, package.trust)
    assert refused.value.reason == NOT_FOR_SIGNING


async def test_refuses_a_signer_that_is_no_seal(package: SmallPackage) -> None:
    person = await package.pki.authority.enrol(package.pki.seal_key.spki, "王小明", "P1")
    file = await package_of({**package.items}, replace(package.pki, seal=person))
    with pytest.raises(BadPackage) as refused:
        await asyncio.to_thread(accept, file, package.trust)
    assert refused.value.reason == SEAL_UNKNOWN


@pytest.mark.parametrize("extension", ["key_usage", "extended_key_usage", "certificate_policies"])
@pytest.mark.parametrize("own", [True, False], ids=["of the seal", "of another beside it"])
async def test_refuses_a_certificate_that_cannot_be_read(package: SmallPackage, extension: str, own: bool) -> None:
    """Whoever has a key writes its certificate, and which one is trusted is asked only later."""
    first, *above = package.pki.seal.chain
    broken = with_broken_extension(first, extension)
    chain = (broken, *above) if own else (first, broken, *above)
    file = await package_of({**package.items}, replace(package.pki, seal=replace(package.pki.seal, chain=chain)))
    assert await asyncio.to_thread(is_refused, file, package.trust)


def test_the_manifest_is_signed_as_it_is(package: SmallPackage) -> None:
    container = open_container(package.file)
    ((name, checked),) = container.signatures.items()
    attributes = checked.to_be_signed
    assert hashlib.sha256(container.items[name]).digest() in attributes
