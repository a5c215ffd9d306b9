"""OFD files of ours before outside judges, and theirs before our verifier; our pages beside those of the PDF."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
import pytest
from asn1crypto import x509
from PIL import Image, ImageChops, ImageFilter, ImageStat

from hub.documents.ofd.places import across_pages
from hub.documents.ofd.seal import octets, sequence
from hub.documents.ofd.sign import prepare_seal
from hub.documents.ofd.write import OfdFacts, write_ofd
from qianda import der
from qianda.cms_parts import object_identifier
from qianda.ofd.container import OfdContainer
from qianda.ofd.page_list import list_pages
from qianda.verify import verify_bytes
from tests.documents.contract_samples import adult, contract_pdf
from tests.ofd.foreign import signed_by_person
from tests.ofd.identities import USED_AT, Identities
from tests.ofd.judges import ask, verdicts
from tests.ofd.plain import PAGE, members_of, plain_ofd, with_members
from tests.ofd.sheets import odd_sheet
from tests.ofd.test_timestamp import stamped
from tests.signing_parts import Pki

pytestmark = pytest.mark.real

JUDGES = ("OfdrwCheck", "SealCheck")
FACTS = OfdFacts("课程培训服务合同", "HF-2026-000001", "新航线教育集团", datetime(2026, 12, 1, tzinfo=UTC))
# Pages are drawn with 6 pixels a millimetre and softened over 7: programs smooth the edges of letters differently.
# Then no pixel differs by more than this, of 255, and their mean by less than that.
PIXELS, SOFTENED, MAX_DIFFERENCE, MAX_MEAN = 6, 3, 64, 2.0


async def test_both_judges_accept_what_we_signed_and_sealed(who: Identities, sealed: bytes, tmp_path: Path) -> None:
    contract = write_ofd(contract_pdf(), FACTS)
    files = {
        "signed.ofd": await signed_by_person(plain_ofd(), who),
        "sealed.ofd": await who.sealed(plain_ofd()),
        "both.ofd": sealed,
        "twice.ofd": await who.sealed(await who.sealed(sealed)),
        "contract.ofd": await who.sealed(await signed_by_person(contract, who)),
        "stamped.ofd": await stamped(who, pki := await Pki.make(lambda: USED_AT)),
    }
    places = across_pages(list_pages(OfdContainer(contract), "Doc_0/Document.xml"), (40.0, 40.0), 100.0)
    across = prepare_seal(files["contract.ofd"], who.seal, who.seal_certificate, USED_AT, places)
    files["across.ofd"] = across.finish(await who.seal_key.sign(across.to_be_signed))
    altered = members_of(sealed)[PAGE].replace(b"12,800", b"12,900")
    wrong = {"altered.ofd": with_members(sealed, **{PAGE: altered})}
    value = members_of(sealed)["Doc_0/Signs/Sign_1/SignedValue.dat"]
    wrong["value.ofd"] = with_members(
        sealed, **{"Doc_0/Signs/Sign_1/SignedValue.dat": value[:-1] + bytes((value[-1] ^ 1,))}
    )
    for name, data in (files | wrong).items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in files | wrong]
    for judge in JUDGES:
        said = verdicts(judge, *paths)
        assert {name for name, answer in said.items() if answer == "accepted"} == set(files), (judge, said)
    assert all(verify_bytes(data, who.trust).failed for data in wrong.values())
    pinned = (x509.Certificate.load(pki.timestamps.certificates[0]),)
    trust = dataclasses.replace(who.trust, timestamp_authorities=pinned)
    assert not any(verify_bytes(data, trust).failed for data in files.values())


def test_we_accept_what_ofdrw_signed_and_sealed(who: Identities, tmp_path: Path) -> None:
    (tmp_path / "plain.ofd").write_bytes(plain_ofd())
    (tmp_path / "key.der").write_bytes(_pkcs8(who))
    (tmp_path / "certificate.der").write_bytes(who.seal_certificate)
    (tmp_path / "seal.esl").write_bytes(who.seal)
    made = tmp_path / "made"
    made.mkdir()
    ask("OfdrwMake", *(tmp_path / name for name in ("plain.ofd", "made", "key.der", "certificate.der", "seal.esl")))
    failed = {}
    for file in sorted(made.iterdir()):
        report = verify_bytes(file.read_bytes(), who.trust)
        failed[file.stem] = [answer.reason.en for answer in report.document if answer.word == "failed"]
    for name in ("sealed", "whole"):
        assert failed[name] == [], failed
    # ofdrw signed these with the organisation's key, which a signature without a seal must not have.
    for name in ("plain", "attributes"):
        assert failed[name] == ["A person's field was signed with the certificate of an organisation's seal."], failed


def _pkcs8(who: Identities) -> bytes:
    number = der.encode(der.INTEGER, b"\1") + octets(who.seal_key._private_key)
    point = der.encode(0xA1, der.encode(0x03, b"\0" + who.seal_key.spki[-65:]))
    algorithm = sequence(object_identifier("1.2.840.10045.2.1"), object_identifier("1.2.156.10197.1.301"))
    return sequence(der.encode(der.INTEGER, b"\0"), algorithm, octets(sequence(number, point)))


async def test_the_pages_look_as_those_of_the_pdf(who: Identities, tmp_path: Path) -> None:
    pdfs = {"zh": contract_pdf(), "en": contract_pdf(adult(), "en"), "odd": odd_sheet()}
    files = {name: write_ofd(pdf, FACTS) for name, pdf in pdfs.items()} | {"sealed": await who.sealed(plain_ofd())}
    for name, ofd in files.items():
        (tmp_path / f"{name}.ofd").write_bytes(ofd)
    text = ask("OfdrwPages", str(PIXELS), *(tmp_path / f"{name}.ofd" for name in files))
    for name, pdf in pdfs.items():
        words = _compare(tmp_path / f"{name}.ofd", pdf)
        said = "".join(line.partition(": ")[2] for line in text if line.startswith(name))
        if name != "odd":  # its words are cut off in part; `test_write.py` looks at them
            assert sorted(filter(str.isalnum, said)) == sorted(filter(str.isalnum, words)), name
    page = Image.open(tmp_path / "sealed.ofd.0.png").convert("RGB")
    inside, outside = page.getpixel((140 * PIXELS, 240 * PIXELS)), page.getpixel((100 * PIXELS, 240 * PIXELS))
    assert (inside, outside) == ((0xC8, 0x10, 0x2E), (255, 255, 255))


def _compare(file: Path, pdf: bytes) -> str:
    """Compare each page that the judge drew with the PDF's. Return the PDF's text."""
    words = ""
    with pypdfium2.PdfDocument(pdf) as document:
        for number in range(len(document)):
            drawn = Image.open(f"{file}.{number}.png").convert("RGB")
            expected = document[number].render(scale=PIXELS * 25.4 / 72).to_pil().convert("RGB")
            assert _differ(drawn, expected) == (False, False), number
            # The comparison sees a difference where there is one: a page moved by half a millimetre.
            assert _differ(drawn, ImageChops.offset(expected, PIXELS // 2, PIXELS // 2)) != (False, False)
            words += document[number].get_textpage().get_text_range()
    return words


def _differ(drawn: Image.Image, expected: Image.Image) -> tuple[bool, bool]:
    """Return whether any pixel, and whether the mean of all, differs by more than is allowed."""
    common = (0, 0, min(drawn.width, expected.width), min(drawn.height, expected.height))
    one, other = (page.crop(common).filter(ImageFilter.BoxBlur(SOFTENED)) for page in (drawn, expected))
    difference = ImageChops.difference(one, other)
    highest = max(level for band in difference.split() for level, count in enumerate(band.histogram()) if count)
    return highest > MAX_DIFFERENCE, max(ImageStat.Stat(difference).mean) > MAX_MEAN
