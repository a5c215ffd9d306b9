"""EU DSS, unmodified and with its own policy, as the judge of our files. It is told whom to trust, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import pem

from tests.judges import program, run
from tests.maven import PROJECTS, class_path

DSS = PROJECTS / "dss"
# Compiling for speed takes longer than a few files do.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
GOOD = ("TOTAL_PASSED", "PASSED")


def judged(folder: Path, files: Sequence[Path], *, at: datetime | None = None) -> dict[str, list[str]]:
    """Return what DSS says of each file, by its name: a line for each signature, timestamp and evidence record.

    `folder`: trusted certificates (*.der) and revocation lists (*.crl). `at`: the time at which it judges.
    """
    moment = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else "now"
    command = (program("java"), *SHORT_LIVED, "-cp", class_path(DSS), "DssCheck", folder, moment)
    said: dict[str, list[str]] = {file.name: [] for file in files}
    for line in run(*command, *files).splitlines():
        path, _, verdict = line.partition(": ")
        said[Path(path).name].append(verdict)
    return said


def faults(said: dict[str, list[str]]) -> list[str]:
    """Return the lines that are no acceptance, with the name of their file; and files of which nothing was said."""
    lines = [f"{name}: {line}" for name, found in said.items() for line in found or ["nothing in it"]]
    return [line for line in lines if line.rpartition(": ")[2] not in GOOD]


def write_trust(folder: Path, trusted_pem: bytes, lists: Sequence[bytes] = ()) -> Path:
    """Write the folder that `judged` is given. Return its path."""
    folder.mkdir()
    for number, (_, _, certificate) in enumerate(pem.unarmor(trusted_pem, multiple=True)):
        (folder / f"{number}.der").write_bytes(certificate)
    for number, each in enumerate(lists):
        (folder / f"{number}.crl").write_bytes(each)
    return folder
