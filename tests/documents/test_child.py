"""What every limited child process has in common: it starts soon."""

from __future__ import annotations

import subprocess
import sys

from hub.settings import PACKED

CHILDREN = sorted(
    ".".join(path.relative_to(PACKED.parent).with_suffix("").parts)
    for path in (PACKED / "documents").rglob("*.py")
    if "\n    serve(" in path.read_text("utf-8")
)


def test_no_child_loads_what_only_its_parent_needs() -> None:
    """Each file that somebody uploads has a child of its own, and `rich` alone takes as long as Python itself."""
    assert len(CHILDREN) > 5
    asks = f"import sys, {', '.join(CHILDREN)}\nprint(*({{'structlog', 'rich', 'asyncpg'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-I", "-c", asks], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
