"""A ZIP file that is made while it is sent is as long as was said before, and opens."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

from hub.web.staff.contract.zip_stream import ZipStream, compute_zip_size

AT = datetime(2026, 11, 27, 18, 2, tzinfo=ZoneInfo("Asia/Shanghai"))
FILES = {"QD-2026-000001.pdf": b"%PDF-1", "陈小满.pdf": b"x" * 70_000, "empty.pdf": b""}


def test_the_size_is_known_before() -> None:
    stream = ZipStream()
    content = b"".join(stream.add(name, data, AT) for name, data in FILES.items()) + stream.end()
    assert len(content) == compute_zip_size((name, len(data)) for name, data in FILES.items())
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        assert found.testzip() is None
        assert {name: found.read(name) for name in found.namelist()} == FILES
        assert found.infolist()[0].date_time == (2026, 11, 27, 18, 2, 0)
