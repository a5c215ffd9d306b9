"""The table of calls in docs/native-apps.md names what the hub answers."""

from __future__ import annotations

import re

from tests.checkout import ROOT
from tests.running import running_hub
from tests.web.signer_visits import verified

PAGE = (ROOT / "docs" / "native-apps.md").read_text("utf-8")


def named(call: str) -> set[str]:
    """Return the members of the answer to a call, as the page lists them: without those of inner objects."""
    (answer,) = re.findall(rf"^\|[^|]*`{re.escape(call)}` \|[^|]*\| `{{(.*)}}`", PAGE, re.MULTILINE)
    return set(re.findall(r'"(\w+)"', re.sub(r"{.*?}", "", answer)))


async def test_the_page_names_every_member_of_a_contract() -> None:
    async with running_hub() as running:
        contract = await running.issue_minor()
        async with verified(running, contract) as client:
            headers = {"Authorization": f"Bearer {client.bearer}"}
            async with running.http.get(f"{running.origin}/sign/v1/contract", headers=headers) as answer:
                assert set(await answer.json()) == named("GET contract")
