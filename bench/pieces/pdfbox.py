"""Measure a warm PDFBox with Bouncy Castle: one JVM signs again and again and reports its CPU time."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.pieces.warm_signer import WarmSigner, warm_signer

JARS = Path("/usr/share/java")
NAMES = ("pdfbox2", "fontbox2", "commons-logging", "bcprov", "bcpkix", "bcutil")
PROGRAM = Path(__file__).with_name("SignWithPdfBox.java")
# Unmeasured rounds of 20 signatures each at the beginning, because the JVM compiles frequently used code.
WARM_UP = 20


def missing(jars: Path = JARS) -> str:
    """Return why PDFBox cannot be measured here; empty if it can."""
    if shutil.which("java") is None or shutil.which("javac") is None:
        return "java or javac is not installed (default-jdk-headless)"
    absent = [name for name in NAMES if not (jars / f"{name}.jar").exists()]
    return f"{', '.join(absent)}: not installed (libpdfbox2-java, libbcpkix-java)" if absent else ""


@contextmanager
def warm_pdfbox(document: bytes, field: str, key: bytes, chain: Sequence[bytes]) -> Iterator[WarmSigner]:
    """Start the JVM and warm it up. `key`: PKCS #8 in DER; `chain`: certificates in DER, the signer's first."""
    with tempfile.TemporaryDirectory(prefix="qianda-pdfbox-") as place:
        folder = Path(place)
        contents = {"document.pdf": document, "key.der": key}
        contents |= {f"certificate-{number}.der": certificate for number, certificate in enumerate(chain)}
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        jars = ":".join(str(JARS / f"{name}.jar") for name in NAMES)
        subprocess.run(["javac", "-cp", jars, "-d", place, str(PROGRAM)], check=True)
        names = [str(folder / name) for name in contents]
        command = ["java", "-cp", f"{jars}:{place}", PROGRAM.stem, names[0], field, *names[1:]]
        with warm_signer(command, folder, warm_up=WARM_UP) as signer:
            yield signer
