"""The QR code of a poster, with the school's logo in its middle if there is one.

A logo hides modules and so needs a higher level of error correction: Q corrects a quarter of the code, and the logo
covers a twenty-fifth of the area (a fifth of the width).
"""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

from channels import Doorway, Rendering
from channels.qr import PNG_MODULE, QUIET_ZONE, drawn_png, drawn_svg, matrix

if TYPE_CHECKING:  # imported when a logo is drawn
    from PIL import Image

# Maximum width of the logo, as a share of the code's width.
LOGO_SHARE = 0.2


class PosterDoor:
    """Door for posters. `logo`: a PNG, approximately square. Raises ValueError for anything else."""

    def __init__(self, logo: bytes | None = None) -> None:
        self._logo = _opened(logo) if logo else None

    def render(self, doorway: Doorway) -> Rendering:
        code = matrix(doorway.scan_url, hides_modules=self._logo is not None)
        svg, png = drawn_svg(code), drawn_png(code)
        if self._logo:
            svg, png = _with_logo(svg, code.modules_count, self._logo), _pasted(png, code.modules_count, self._logo)
        return Rendering(doorway.url, svg=svg, png=png)


def _opened(logo: bytes) -> Image.Image:
    from PIL import Image

    try:
        image = Image.open(BytesIO(logo), formats=["PNG"]).convert("RGBA")
    except OSError as error:
        raise ValueError("the logo is not a PNG") from error
    image.thumbnail((400, 400))
    return image


def _place(modules: int, logo: Image.Image) -> tuple[float, float, float, float]:
    """Return x, y, width and height of the centred logo, in modules."""
    scale = modules * LOGO_SHARE / max(logo.size)
    width, height = logo.width * scale, logo.height * scale
    middle = QUIET_ZONE + modules / 2
    return middle - width / 2, middle - height / 2, width, height


def _with_logo(svg: str, modules: int, logo: Image.Image) -> str:
    output = BytesIO()
    logo.save(output, "PNG")
    x, y, width, height = _place(modules, logo)
    place = f'x="{x:.3f}" y="{y:.3f}" width="{width:.3f}" height="{height:.3f}"'
    picture = f"data:image/png;base64,{base64.b64encode(output.getvalue()).decode()}"
    return svg.replace("</svg>", f'<rect {place} fill="#fff"/><image {place} href="{picture}"/></svg>')


def _pasted(png: bytes, modules: int, logo: Image.Image) -> bytes:
    from PIL import Image

    x, y, width, height = (round(each * PNG_MODULE) for each in _place(modules, logo))
    small = logo.resize((width, height))
    ground = Image.new("RGBA", small.size, "white")
    ground.alpha_composite(small)
    image = Image.open(BytesIO(png)).convert("RGB")
    image.paste(ground.convert("RGB"), (x, y))
    output = BytesIO()
    image.save(output, "PNG")
    return output.getvalue()
