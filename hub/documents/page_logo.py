"""The school's own logo for the head of its pages: a small PNG, which runs nothing."""

from __future__ import annotations

from pathlib import Path

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Every page shows it: what is larger was meant for print.
MAX_LOGO_BYTES = 256 * 1024


def read_logo(file: Path | None) -> bytes | None:
    """Return the picture; None without a file.

    Raises ValueError for a file that is no PNG or too large, OSError for one that cannot be read.
    """
    if file is None:
        return None
    png = file.read_bytes()
    if not png.startswith(PNG_SIGNATURE) or len(png) > MAX_LOGO_BYTES:
        raise ValueError(f"logo: {file} has to be a PNG of at most {MAX_LOGO_BYTES // 1024} KB")
    return png
