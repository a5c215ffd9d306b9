"""Read the school's logo for the head of its pages: a small PNG, which can contain no scripts."""

from __future__ import annotations

from pathlib import Path

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Every page loads the logo; a larger file is meant for print.
MAX_LOGO_BYTES = 256 * 1024


def read_logo(file: Path | None) -> bytes | None:
    """Return the picture; None without a file.

    Raises ValueError for a file that is not a PNG or is too large, OSError for one that cannot be read.
    """
    if file is None:
        return None
    png = file.read_bytes()
    if not png.startswith(PNG_SIGNATURE) or len(png) > MAX_LOGO_BYTES:
        raise ValueError(f"logo: {file} has to be a PNG of at most {MAX_LOGO_BYTES // 1024} KB")
    return png
