"""The public check page takes an OFD as well."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from tests.ofd.identities import Identities
from tests.ofd.plain import PAGE, members_of, plain_ofd, with_members
from tests.running import Running, running_hub


async def test_an_ofd_is_judged_and_an_altered_one_is_refused() -> None:
    who = await Identities.make()
    sealed = await who.sealed(plain_ofd())
    altered = with_members(sealed, **{PAGE: members_of(sealed)[PAGE].replace(b"12,800", b"12,900")})
    async with running_hub() as running:
        status, said = await checked(running, sealed)
        assert (status, said["elements"]["exclusively owned"]["word"]) == (200, "failed")  # nobody trusts the authority
        assert said["elements"]["text unaltered"]["word"] == "shown"
        trust = running.hub.settings.data / "trust"
        trust.mkdir(exist_ok=True)
        who.write_trust(trust / "sm2.pem")
        status, said = await checked(running, sealed)
        assert (status, said["failed"]) == (200, False)
        status, said = await checked(running, altered)
        assert (status, said["elements"]["text unaltered"]["word"]) == (200, "failed")
        status, said = await checked(running, sealed + b"x")
        assert status == 422 and "OFD" in said["reason"]["zh"]
        async with running.http.get(f"{running.origin}/verify", headers={"Accept": "text/html"}) as answer:
            assert ".ofd" in await answer.text()


async def checked(running: Running, file: bytes) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/ofd", "Accept": "application/json"}
    async with running.http.post(f"{running.origin}/verify", data=BytesIO(file), headers=headers) as answer:
        return answer.status, await answer.json()
