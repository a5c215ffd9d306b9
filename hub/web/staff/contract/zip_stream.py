"""Make a ZIP file while it is sent. Its files are stored without compression, so that its size is known beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zipfile import ZipInfo

from hub.web.pages.files import ZipSink

# A larger ZIP needs other fields (ZIP64), which old programs cannot read.
MAX_ZIP_BYTES = 2 << 30
# Bytes around each file and at the end (APPNOTE 4.3): local header, data descriptor, central header, directory's end.
_LOCAL, _DESCRIPTOR, _CENTRAL, _END = 30, 16, 46, 22


class ZipStream:
    def __init__(self) -> None:
        self._sink = ZipSink()
        self._zip = self._sink.open()

    def add(self, name: str, content: bytes, at: datetime) -> bytes:
        """Add a file. Return the next bytes of the ZIP file. `at`: when the file was made, in local time."""
        self._zip.writestr(ZipInfo(name, at.timetuple()[:6]), content)
        return self._sink.take()

    def end(self) -> bytes:
        """Return the last bytes."""
        self._zip.close()
        return self._sink.take()


def compute_zip_size(files: Iterable[tuple[str, int]]) -> int:
    """Return the size in bytes of a ZIP file of files with these names and sizes. It must not exceed MAX_ZIP_BYTES."""
    around = _LOCAL + _DESCRIPTOR + _CENTRAL
    return _END + sum(around + 2 * len(name.encode()) + size for name, size in files)
