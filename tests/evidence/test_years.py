"""`qianda verify` years later: a final file and its package, and after one renewal fifteen years later."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from qianda.evidence.contents import FINAL_FILE
from qianda.evidence.items import read_items
from tests.evidence.ended_contracts import trusted_pem
from tests.evidence.renewed import proven_packages, renew_twice
from tests.judges import program

pytestmark = pytest.mark.real

# Checks packages together with the final file in this very process, as `qianda verify FINAL PACKAGE` does in a child.
CHECK = """
import sys
from pathlib import Path
from qianda.evidence.package_check import check_package_file
from qianda.evidence.package_report import as_json
from qianda.verify.expectation import Expectation
from qianda.verify.trust import Trust
trust = Trust.load([Path("trusted.pem")])
for version in sys.argv[2:]:
    said = as_json(check_package_file(Path(f"{version}.zip"), trust, Expectation(final_sha256=sys.argv[1])))
    print(version, said["failed"], "ran out at" in str(said["verdict"]))
"""
# How much later, and the versions of the package: whether its record has ended by then.
LATER: Sequence[tuple[str, Mapping[str, bool]]] = (
    ("+2d", {"2": False}),
    ("+400d", {"2": False}),
    ("+1826d", {"2": False}),
    ("+5475d", {"2": True, "3": False, "4": False}),
)


async def test_a_file_and_its_package_are_accepted_years_later(tmp_path: Path) -> None:
    async with proven_packages() as made:
        await renew_twice(made)
        (tmp_path / "trusted.pem").write_bytes(trusted_pem(made.running))
    final = next(item.content for item in read_items(made.versions[1]) if item.name == FINAL_FILE)
    for number, content in made.versions.items():
        (tmp_path / f"{number}.zip").write_bytes(content)
    for offset, ended in LATER:
        arguments = (sys.executable, "-c", CHECK, hashlib.sha256(final).hexdigest(), *ended)
        done = subprocess.run(
            (program("faketime"), "-f", offset, *arguments), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout.splitlines() == [f"{version} False {has}" for version, has in ended.items()], done.stderr
