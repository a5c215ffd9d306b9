"""The picture of a signature or seal may lie over text, but cannot put another text in its place."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from hub.documents.sealing.seal_upload import PictureReader
from hub.documents.signing.stamps import SignerStamp, seal_stamp, signature_stamp
from hub.model.sealing.seal import SealKind
from qianda.pdf import Stream
from qianda.verify import verify_bytes
from qianda.verify.findings import Element
from qianda.verify.pdf.ink import is_only_ink
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.trust import Trust
from tests.browser.update_files import NEW, Objects, drawn
from tests.signing_parts import SEAL, finished_contract
from tests.verify.reading import SIGNERS, complaints, failed
from tests.verify.sample_page import CONTENT, WHITE, page, written

PROFILE = b"[/ICCBased %d 0 R]" % (NEW + 1)
MASK = b"<< /Subtype /Image /Width 8 /Height 8 "


def form(content: bytes, more: bytes = b"", other: bytes = b"<< >>") -> Objects:
    """Return a picture of a signature. `other`: an object to which `more` may refer."""
    return {NEW: drawn(content).replace(b"<<", b"<< /Subtype /Form " + more, 1), NEW + 1: other}


def resources(more: bytes) -> bytes:
    return b"/Resources << %b >> " % more


def image(entries: bytes) -> Objects:
    other = drawn(bytes(8)).replace(b"<< ", MASK + entries, 1)
    return form(b"/X Do", resources(b"/XObject << /X %d 0 R >>" % (NEW + 1)), other)


def state(entries: bytes) -> Objects:
    return form(b"/G gs 0 g 0 0 9 9 re f", resources(b"/ExtGState << /G << %b >> >>" % entries))


def space(named: bytes, profile: bytes = b"\0" * 128) -> Objects:
    other = drawn(profile).replace(b"<<", b"<< /N 3 ", 1)
    return form(b"/C cs 0 0 0 scn 0 0 9 9 re f", resources(b"/ColorSpace << /C %b >>" % named), other)


def multiplied(
    content: bytes = b"q /M gs 1 0 0 1 0 -2.5 cm /X Do Q", more: bytes = b"", inside: bytes = b""
) -> Objects:
    """Return a picture whose frame multiplies two colours with the page. `more`, `inside`: in frame and form."""
    other = drawn(b"0.8 g 0 0 9 9 re f 0 g BT (x) Tj ET").replace(b"<<", b"<< /Subtype /Form " + inside, 1)
    listed = b"/ExtGState << /M << /BM /Multiply >> /N << /ca 1 >> >> /XObject << /X %d 0 R >>" % (NEW + 1)
    return form(content, resources(listed) + more, other)


INK = {
    "red": form(b"0.8 0.1 0.2 rg 0 0 9 9 re f"),
    "pure red": form(b"1 0 0 rg 0 0 9 9 re f"),
    "black": form(b"0 0 9 9 re f 0 g 0 G 0 0 9 9 re S"),
    "a text with brackets and the names of colours": form(
        b"0 g BT (1 g \\) 1 g) Tj [<31> 1 (1 g)] TJ ET % 1 g\n/g gs", resources(b"/ExtGState << /g << >> >>")
    ),
    "a stencil": image(b"/ImageMask true "),
    "a stencil that is packed": image(b"/ImageMask true /Filter /FlateDecode "),
    "a stencil that is packed, in a list": image(b"/ImageMask true /Filter [/FlateDecode] "),
    "half transparent": state(b"/ca 0.5 /BM /Normal /SMask /None"),
    "two colours that are multiplied with the page": multiplied(),
    "multiplied with the page in a frame of pyHanko's": multiplied(b"q q /N gs 0.9 0 0 0.9 0 0 cm /M gs /X Do Q Q"),
    "one colour in another order": form(b"q 0.8 g 0 0 9 9 re f Q 0.8 G 0 0 9 9 re S 0.8 g BT 0 Tr (x) Tj ET"),
    "a plain colour space": space(b"/DeviceRGB"),
}
COVERS = {
    "a stencil as a fax": image(b"/ImageMask true /Filter /CCITTFaxDecode "),
    "a stencil as JBIG2": image(b"/ImageMask true /Filter [/JBIG2Decode] "),
    "a stencil as JPEG 2000": image(b"/ImageMask true /Filter /JPXDecode "),
    "a stencil as a fax in Flate": image(b"/ImageMask true /Filter [/FlateDecode /CCITTFaxDecode] "),
    "white": form(b"1 g 0 0 9 9 re f"),
    "white after a text": form(b"BT (\\)) Tj ET 1 1 1 rg 0 0 9 9 re f"),
    "white after a comment": form(b"0 g % (\n1 % 0\n 1 1 RG 0 0 9 9 re S"),
    "white of four colours": form(b"0 0 0 0 k 0 0 9 9 re f"),
    "a light grey": form(b".9 g 0 0 9 9 re f"),
    "a yellow that only seems dark": form(b"1 1 -5 rg 0 0 9 9 re f"),
    "a white that only seems dark": form(b"0 0 0 -9 k -9 -9 9 0 k 0 0 9 9 re f"),
    "white in a space of its own": form(b"/DeviceRGB cs 1 1 1 scn 0 0 9 9 re f"),
    "white to those who take the first number": form(b"/DeviceGray cs 1 0 0 sc 0 0 9 9 re f"),
    "white to those who take another number": form(b"1 1 1 0 0 0 rg 0 0 9 9 re f"),
    "four colours by name": form(b"/DeviceCMYK cs 0 0 0 scn 0 0 9 9 re f"),
    "four colours in the resources": space(b"/DeviceCMYK"),
    "a table of colours": space(b"[/Indexed /DeviceGray 0 <ff>]"),
    "a profile of anybody": space(PROFILE),
    "a pattern": form(b"/Pattern cs /P scn 0 0 9 9 re f"),
    "a shading": form(b"/S sh", resources(b"/Shading << /S << /ShadingType 2 /Function %b >> >>" % WHITE)),
    "a picture in the contents": form(b"BI /W 1 /H 1 /CS /G /BPC 8 ID \xff EI"),
    "a picture in the contents that looks like contents": form(b"BI /W 1 /H 1 /CS /G /BPC 8 ID /\xe9 Do EI"),
    "a picture": image(b"/ColorSpace /DeviceGray /BitsPerComponent 8 "),
    "letters of its own": form(b"", resources(b"/Font << /F << /CharProcs << /A %d 0 R >> >> >>" % (NEW + 1))),
    "made lighter": state(b"/BM /Screen"),
    "with a mask": state(b"/SMask << /S /Luminosity >>"),
    "in a form inside": form(
        b"/X Do",
        resources(b"/XObject << /X %d 0 R >>" % (NEW + 1)),
        drawn(b"1 g 0 0 9 9 re f").replace(b"<<", b"<< /Subtype /Form ", 1),
    ),
    "text on an area": form(b"0.8 g 0 0 9 9 re f 0 g BT (x) Tj ET"),
    "text on a red area": form(b"1 0 0 rg 0 0 9 9 re f 0 0 0 rg BT (x) Tj ET"),
    "an area on black": form(b"0 0 9 9 re f 0.8 g BT (x) Tj ET"),
    "two kinds of black": form(b"0 g 0 0 9 9 re f 0 0 0 1 k BT (x) Tj ET"),
    "text in black after a colour": form(b"q 0.8 g 0 0 9 9 re f Q BT (x) Tj ET"),
    "lines in black": form(b"0.8 g 0 0 9 9 re f 0 0 9 9 re S"),
    "an area with a line in black": form(b"0.8 g 0 0 9 9 re b"),
    "letters with outlines in black": form(b"0.8 g 0 0 9 9 re f BT 1 Tr (x) Tj ET"),
    "a text of several pieces": form(b"q 0.8 g 0 0 9 9 re f Q BT [(x)] TJ ET"),
    "a text on the next line": form(b"q 0.8 g 0 0 9 9 re f Q BT (x)' ET"),
    "a space that starts with black": form(b"/DeviceGray cs 0.8 scn 0 0 9 9 re f /DeviceGray cs BT (x) Tj ET"),
    "a space of lines that starts with black": form(b"/DeviceGray CS 0.8 SCN /DeviceGray CS 0 0 9 9 re S"),
    "a stencil in black": form(
        b"q 0.8 g 0 0 9 9 re f Q /X Do",
        resources(b"/XObject << /X %d 0 R >>" % (NEW + 1)),
        drawn(bytes(8)).replace(b"<< ", MASK + b"/ImageMask true ", 1),
    ),
    "a colour that is only a note": form(b"/P<</A 0.8 g>> BDC 0 0 9 9 re f 0.8 g BT (x) Tj ET EMC"),
    "a state that was not saved": form(b"Q 0 0 9 9 re f"),
    "an operator that nobody knows": form(b"foo 0 0 9 9 re f"),
    "made darker, but not by a frame": state(b"/BM /Multiply"),
    "darker text on an area": form(
        b"0.8 g 0 0 9 9 re f /G gs BT (x) Tj ET", resources(b"/ExtGState << /G << /BM /Multiply >> >>")
    ),
    "a frame that draws more": multiplied(b"q /M gs 1 0 0 1 0 0 cm /X Do Q 0 0 9 9 re f"),
    "a frame that draws in another state": multiplied(b"q /N gs /X Do Q"),
    "a frame that is a group": multiplied(more=b"/Group << /S /Transparency >> "),
    "a group inside": multiplied(inside=b"/Group << /S /Transparency >> "),
    "a mode that ends the multiplying": multiplied(inside=resources(b"/ExtGState << /G << /BM /Normal >> >>")),
    "a mode of two names": multiplied(inside=resources(b"/ExtGState << /G << /BM [/Multiply /Normal] >> >>")),
    "made darker in another way": multiplied(inside=resources(b"/ExtGState << /G << /BM /Darken >> >>")),
    "packed twice": form(b"", b"/Filter [/FlateDecode /FlateDecode] "),
}


def _is_only_ink(objects: Objects) -> bool:
    document = SignedFile(written(objects)).now
    picture = document.objects[NEW]
    assert isinstance(picture, Stream)
    return is_only_ink(document, picture)


@pytest.mark.parametrize("name", INK)
def test_ink_is_taken(name: str) -> None:
    assert _is_only_ink(INK[name])


@pytest.mark.parametrize("name", COVERS)
def test_what_could_cover_is_refused(name: str) -> None:
    assert not _is_only_ink(COVERS[name])


def uploaded_seal() -> bytes:
    """Return the picture of a seal in the lightest ink that is taken."""
    drawing, file = Image.new("RGBA", (200, 200)), io.BytesIO()
    drawing.paste((214, 214, 214, 255), (50, 50, 150, 150))
    drawing.save(file, "PNG")
    reader = PictureReader()
    try:
        return reader.read(file.getvalue(), SealKind.CONTRACT)
    finally:
        reader.close()


async def test_what_the_hub_draws_is_ink(tmp_path: Path) -> None:
    stroke = [[(0.1, 0.2), (0.5, 0.8), (0.9, 0.3)]]
    for seal in (seal_stamp("示范学校"), uploaded_seal()):
        shown = {
            "guardian-1": signature_stamp(SignerStamp("王小明", stroke, "2026-12-02", "zh"), (160.0, 62.0)),
            SEAL: seal,
        }
        made = await finished_contract(tmp_path, signers=SIGNERS[:1], appearances=shown)
        report = await asyncio.to_thread(verify_bytes, made.final, Trust.load([made.trust_pem]))
        assert failed(report) == set(), complaints(report)


async def test_a_stamp_cannot_show_another_price(tmp_path: Path) -> None:
    """The second signer's stamp lies where the first has read the price."""
    issued = written({CONTENT: drawn(b"BT /F1 9 Tf 232 90 Td (CNY 12,800.00) Tj ET")})
    cover = b"1 g 0 0 150 60 re f 0 g BT /F1 9 Tf 2 30 Td (CNY 99,999.00) Tj ET"
    stamp = written(page(box=b"[0 0 150 60]") | {CONTENT: drawn(cover)})
    made = await finished_contract(tmp_path, signers=SIGNERS, document=issued, appearances={SIGNERS[1]: stamp})
    report = await asyncio.to_thread(verify_bytes, made.final, Trust.load([made.trust_pem]))
    assert failed(report) == {Element.TEXT} and "could hide what is below it" in complaints(report)
