"""Make a ZIP file while it is sent. Its files are stored without compression, so that its size is known beforehand."""

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
    """The output of a ZIP file. It cannot seek, and keeps only the bytes that were not taken yet."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: written bytes can be taken at once."""

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class ZipStream:
    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w", ZIP_STORED)  # type: ignore[call-overload]  # it needs no more than this

    def add(self, name: str, content: bytes, at: datetime) -> bytes:
        """Add a file. Return the next bytes of the ZIP file. `at`: when the file was made, in local time."""
        self._zip.writestr(ZipInfo(name, at.timetuple()[:6]), content)
        return self._sink.take()

    def end(self) -> bytes:
        """Return the last bytes."""
        self._zip.close()
        return self._sink.take()


def compute_zip_size(files: Iterable[tuple[str, int]]) -> int:
    """Return the size in bytes of a ZIP file of files with these names and sizes. It must stay below MAX_ZIP_BYTES."""
    around = _LOCAL + _DESCRIPTOR + _CENTRAL
    return _END + sum(around + 2 * len(name.encode()) + size for name, size in files)
