"""Look at every page in both languages, colours and widths with axe-core: `make a11y`."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.a11y.walk import chromium, walk


async def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="qianda-a11y-") as folder:
        async with chromium() as browser:
            result = await walk(browser, Path(folder), every_mode=True)
    for each in (*result.findings, *(f"no page of the walk shows {name}" for name in sorted(result.unseen))):
        print(each)
    print(f"{result.looks} looks at pages, {len(result.findings)} serious or critical findings")
    return 1 if result.findings or result.unseen else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
