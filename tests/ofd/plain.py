"""A small OFD of one page, without signatures, and ways to change one."""

from __future__ import annotations

import io
import zipfile

from hub.documents.ofd.package import write_package
from qianda.ofd.container import OfdContainer

_NS = 'xmlns:ofd="http://www.ofdspec.org/2016"'
PAGE = "Doc_0/Pages/Page_0/Content.xml"


def plain_ofd(words: str = "Payment: 12,800.00 yuan", filler: int = 0) -> bytes:
    """Return an OFD that shows these words. `filler`: bytes of an image-like resource beside them."""
    parts = {
        "OFD.xml": f'<ofd:OFD {_NS} Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo><ofd:DocID>0123456789abcdef'
        "0123456789abcdef</ofd:DocID><ofd:Title>Contract</ofd:Title></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml"
        "</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
        "Doc_0/Document.xml": f"<ofd:Document {_NS}><ofd:CommonData><ofd:MaxUnitID>9</ofd:MaxUnitID><ofd:PageArea>"
        "<ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes>"
        '</ofd:CommonData><ofd:Pages><ofd:Page ID="1" BaseLoc="Pages/Page_0/Content.xml"/></ofd:Pages></ofd:Document>',
        "Doc_0/PublicRes.xml": f'<ofd:Res {_NS} BaseLoc="Res"><ofd:Fonts><ofd:Font ID="3" FontName="SimSun"/>'
        "</ofd:Fonts></ofd:Res>",
        PAGE: f'<ofd:Page {_NS}><ofd:Content><ofd:Layer ID="4"><ofd:TextObject ID="5" Boundary="20 20 150 10" Font="3" '
        f'Size="5"><ofd:TextCode X="0" Y="5">{words}</ofd:TextCode></ofd:TextObject></ofd:Layer></ofd:Content>'
        "</ofd:Page>",
    }
    members = {name: b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode() for name, text in parts.items()}
    if filler:
        members["Doc_0/Res/image.jpg"] = bytes(index * 7919 % 251 for index in range(4096)) * (filler // 4096)
    return write_package(members)


def members_of(ofd: bytes) -> dict[str, bytes]:
    container = OfdContainer(ofd)
    return {name: container.read(name) for name in container}


def with_members(ofd: bytes, **changed: bytes | None) -> bytes:
    """Return the OFD with members replaced, added or (None) removed, as another program writes it."""
    kept = members_of(ofd) | changed
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in kept.items():
            if data is not None:
                archive.writestr(name, data)
    return output.getvalue()
