"""A warm process that runs stories in forked children: everything is imported once, no PKCS#11 module is loaded.

python -m tests.faults.forking MODULE    # one plan as JSON a line on stdin; the child's wait status a line on stdout

MODULE has the class `Plan` and the function `tell`, which runs one; and perhaps `warm_up`, called once before all.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from hub.documents.fonts import FONT_FOLDER, ContractFont
from hub.documents.typesetting import typefaces
from hub.processes.child import quiet_logs
from hub.store.kernel.statement import SqlStatement
from tests.checkout import ROOT

IMPORTED_LATE = (
    "anyio._backends._asyncio",
    "cryptography.hazmat.backends.openssl.backend",
    "phonenumbers.data.region_CN",
    "pikepdf",
    "pyhanko.pdf_utils.filters",
    "pyhanko.pdf_utils.metadata.xmp_xml",
    "pyhanko_certvalidator",
    "qrcode.image.pil",
    "qrcode.image.svg",
    "stdnum.cn.ric",
)
# Seconds. A story that hangs is ended by its alarm, and the test fails.
STORY_TIMEOUT = 180


class TellablePlan(Protocol):
    def json(self) -> dict[str, Any]: ...


class Forking:
    """The test's side of the warm process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, module: str = "tests.faults.story") -> AsyncIterator[Forking]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.forking", module, stdin=pipe, stdout=pipe, cwd=ROOT
        )
        try:
            yield cls(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await asyncio.wait_for(process.wait(), STORY_TIMEOUT)

    async def tell(self, plan: TellablePlan) -> int:
        """Return how the process of this plan ended: 0, an exit code, or minus the signal that killed it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(plan.json()).encode() + b"\n")
        await self._process.stdin.drain()
        return os.waitstatus_to_exitcode(int(await self._process.stdout.readline()))


def serve(module: ModuleType) -> None:
    quiet_logs()
    _warm_up(getattr(module, "warm_up", lambda: None))
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _be_the_child(partial(module.tell, module.Plan(**json.loads(line))))
        _, status = os.waitpid(child, 0)
        print(status, flush=True)


def _warm_up(more: Callable[[], None]) -> None:
    """Read fonts and import what a story would import, so that children inherit it.

    Typst lays out nothing here: it would start threads, and threads do not survive a fork.
    """
    ContractFont().check(["签达"])
    typefaces(FONT_FOLDER)
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    more()
    for statement in [each for each in gc.get_objects() if type(each) is SqlStatement]:
        assert statement.sql  # compiled here, and not by every child again
    gc.freeze()  # what is loaded stays shared: the children's garbage collector does not touch it
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "something started a thread"


def _be_the_child(act: Callable[[], None]) -> None:
    """Run the plan. Nothing of the parent's is closed or flushed: the child leaves at once, however it ends."""
    signal.alarm(STORY_TIMEOUT)
    try:
        act()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    serve(importlib.import_module(sys.argv[1]))
