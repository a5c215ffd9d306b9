"""A link as a QR code (ISO/IEC 18004), level M. An upper-case URL fits the alphanumeric mode, which keeps it small."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from channels import Doorway, Rendering

if TYPE_CHECKING:  # imported on use, with what draws it: takes 8 MB, and most workers draw none
    import qrcode

QUIET_ZONE = 4  # modules, as the standard asks
PNG_MODULE = 10  # pixels


class Qr:
    def render(self, doorway: Doorway) -> Rendering:
        return Rendering(doorway.scan_url, svg=svg(doorway.scan_url), png=png(doorway.scan_url))


def svg(text: str) -> str:
    """Return an SVG element that scales to its container, always black on white."""
    return drawn_svg(matrix(text))


def png(text: str) -> bytes:
    return drawn_png(matrix(text))


def matrix(text: str, *, hides_modules: bool = False) -> qrcode.QRCode[Any]:
    """Return the code in the smallest version that holds `text`.

    `hides_modules`: use level Q, which corrects a quarter of the code, because a logo covers part of it; otherwise M.
    """
    import qrcode
    from qrcode.constants import ERROR_CORRECT_M, ERROR_CORRECT_Q

    level = ERROR_CORRECT_Q if hides_modules else ERROR_CORRECT_M
    code: qrcode.QRCode[Any] = qrcode.QRCode(error_correction=level, box_size=PNG_MODULE, border=QUIET_ZONE)
    code.add_data(text)
    code.make(fit=True)
    return code


def drawn_svg(code: qrcode.QRCode[Any]) -> str:
    from qrcode.image.svg import SvgPathImage

    return str(code.make_image(image_factory=SvgPathImage).to_string(encoding="unicode"))


def drawn_png(code: qrcode.QRCode[Any]) -> bytes:
    from qrcode.image.pil import PilImage

    output = BytesIO()
    code.make_image(image_factory=PilImage).save(output)
    return output.getvalue()
