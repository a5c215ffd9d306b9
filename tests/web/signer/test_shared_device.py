"""Two people sign on the same tablet, one after the other."""

from __future__ import annotations

import pytest

from tests.lifecycle.signer import signed
from tests.poster_visits import Family
from tests.running import Running
from tests.web.signer.test_siblings import issued
from tests.web.signer_visits import asked

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_whoever_leaves_leaves_nothing_for_the_next_person(running: Running) -> None:
    contract = await issued(running, Family())
    first = await signed(running, contract)
    _, page, _ = await asked(running, "GET", f"/sign/done?id={contract.id}&lang=en", bearer=first.secret)
    assert 'action="/sign/leave"' in page and "Not your own device? Leave" in page
    refused, _, headers = await asked(running, "POST", "/sign/leave", headers={"Sec-Fetch-Site": "cross-site"})
    assert refused == 403 and "Set-Cookie" not in headers
    status, _, headers = await asked(running, "POST", "/sign/leave", bearer=first.secret)
    assert (status, headers["Location"]) == (303, "/s")
    assert headers["Set-Cookie"].startswith('__Host-qianda="";') and "Max-Age=0" in headers["Set-Cookie"]
