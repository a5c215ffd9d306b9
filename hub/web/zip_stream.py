"""A ZIP file that is made while it is sent. Its files are stored as they are, so its size is known before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zipfile import ZIP_STORED, ZipFile, ZipInfo

# A larger ZIP needs other fields (ZIP64), which old programs cannot read.
MAX_ZIP_BYTES = 2 << 30
# Bytes around each file and at the end (APPNOTE 4.3): local header, data descriptor, central header, end of the
# directory.
_LOCAL, _DESCRIPTOR, _CENTRAL, _END = 30, 16, 46, 22


class _Sink:
    """What a ZIP file writes to: it cannot go back, and keeps only what was not taken yet."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: whatever was written can be taken at once."""

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class ZipStream:
    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w", ZIP_STORED)  # type: ignore[call-overload]  # it needs no more than this

    def add(self, name: str, content: bytes, at: datetime) -> bytes:
        """Add a file. Return the next bytes of the ZIP file. `at`: when the file was made, as its place has it."""
        self._zip.writestr(ZipInfo(name, at.timetuple()[:6]), content)
        return self._sink.take()

    def end(self) -> bytes:
        """Return the last bytes."""
        self._zip.close()
        return self._sink.take()


def compute_zip_size(files: Iterable[tuple[str, int]]) -> int:
    """Return the bytes of the ZIP file of files with these names and sizes, below MAX_ZIP_BYTES."""
    around = _LOCAL + _DESCRIPTOR + _CENTRAL
    return _END + sum(around + 2 * len(name.encode()) + size for name, size in files)
