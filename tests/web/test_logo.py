"""A school's own logo stands at the head of its pages; without one the product's does."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.running import Running, running_hub


def png(size: int = 40) -> bytes:
    output = BytesIO()
    Image.new("RGB", (size, size), "red").save(output, "PNG")
    return output.getvalue()


async def shown(running: Running) -> tuple[str, int, str, bytes]:
    """Return address, status, kind and content of the picture at the head of the home page."""
    async with running.http.get(f"{running.origin}/") as answer:
        found = re.search(r'<a class="brand" href="/"><img src="([^"]+)"', await answer.text())
    assert found
    async with running.http.get(running.origin + found[1]) as answer:
        return found[1], answer.status, answer.content_type, await answer.read()


async def test_the_schools_own_logo_is_shown_and_kept_by_browsers(tmp_path: Path) -> None:
    file = tmp_path / "ours.png"
    file.write_bytes(png())
    async with running_hub(with_worker=False, configured={"logo": file}) as running:
        address, status, kind, content = await shown(running)
        assert (status, kind, content) == (200, "image/png", png())
        async with running.http.get(running.origin + address) as answer:
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with running.http.get(f"{running.origin}/favicon.ico", allow_redirects=False) as answer:
            assert answer.headers["Location"] == address


async def test_without_one_the_products_is_shown() -> None:
    async with running_hub(with_worker=False) as running:
        address, status, kind, _ = await shown(running)
        assert address.endswith("/seal.svg") and (status, kind) == (200, "image/svg+xml")


@pytest.mark.parametrize("content", [b"<svg onload='alert(1)'/>", b"", png() + bytes(256 * 1024)])
async def test_what_is_no_small_png_stops_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ours.png"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"logo: .* has to be a PNG of at most 256 KB"):
        async with running_hub(with_worker=False, with_web=False, configured={"logo": file}):
            raise AssertionError("started")
