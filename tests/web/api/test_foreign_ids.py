"""What belongs to one campus, named by the key of another one, in every operation of the API."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hub.lifecycle.staff.api_keys import add_key
from hub.model.staff.key_scopes import ALL_SCOPES, KeyTerms
from hub.model.staff.scope import EVERYTHING
from hub.web.api import OPERATIONS
from tests.everything_stored import changed, fingerprint
from tests.lifecycle.signer import person
from tests.running import Running
from tests.store.server.test_scope import ask_for_a_seal
from tests.web.api.test_api_contracts import asked

pytestmark = pytest.mark.asyncio(loop_scope="module")
CODE = "91340100MA2T123457"
LEVEL = {"place": "across", "level": "plain"}
# Bodies and queries that are valid, by operation.
SENT: dict[str, dict[str, Any]] = {
    "issueContract": asked(),
    "handOutLink": {"door": "qr"},
    "voidContract": {"reason": "no"},
    "extendDeadline": {"deadline": (datetime.now(UTC) + timedelta(days=60)).isoformat()},
    "changePhone": {"phone": "+8619000000998", "reason": "lost"},
    "grantSeal": {"grantee_kind": "contracts", "campus": "beijing"},
    "applyForSeal": {"kind": "campus", "campus": "hefei", "registered_code": CODE, "inscription": "x", "reason": "x"}
    | {"name": "another", "registered_name": "x"},
    "listContracts": {"campus": "hefei"},
    "sealFiles": LEVEL | {"seal": "x", "source": {"store": "x"}},
}


async def test_no_operation_reaches_another_campus(running: Running) -> None:
    contract = await running.issue_minor()
    signer = (await person(running, contract)).signer.id
    await add_key(running.hub.services, "crm", "hefei", "test")
    await ask_for_a_seal(running)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        job = await tx.connection.scalar(text("SELECT id FROM seal_job"))
        seal, grant = [await tx.connection.scalar(text(f"SELECT id FROM {name}")) for name in ("seal", "seal_grant")]
    theirs = {"contracts": contract.id, "seal-jobs": job, "seals": seal, "signer": signer, "grant": grant}
    secret = await add_key(running.hub.services, "other", "beijing", "test", KeyTerms(ALL_SCOPES))
    before = await fingerprint(running.hub.database)
    tried = set()
    for operation in OPERATIONS:
        if operation.takes_pdf or operation.takes_file:
            continue
        nothing = {name: uuid4() for name in theirs}
        answers = [await _ask(running, secret, operation, ids) for ids in (theirs, nothing)]
        assert answers[0] == answers[1], operation.name
        said = json.dumps(answers[0][1], ensure_ascii=False)
        assert contract.number not in said and "陈" not in said, operation.name
        if "{" in operation.path:
            assert answers[0][0] in (404, 422), (operation.name, answers[0])
            tried.add(operation.name)
        elif operation.name != "listSeals" and operation.method == "POST":
            assert answers[0][0] in (404, 422), (operation.name, answers[0])
    assert len(tried) >= 25
    # Sequences of numbers, and answers that are kept for nobody.
    assert set(changed(before, await fingerprint(running.hub.database))) <= {"contract_number"}


async def _ask(running: Running, secret: str, operation: Any, ids: dict[str, UUID]) -> tuple[int, Any]:
    kind = operation.path.split("/")[3]
    path = operation.path.replace("{id}", str(ids.get(kind, ""))).replace("{number}", "1")
    path = re.sub(r"\{(signer|grant)\}", lambda found: str(ids[found[1]]), path)
    sent = SENT.get(operation.name, {})
    if operation.name == "handOutLink":
        sent = sent | {"signer": str(ids["signer"])}
    about: dict[str, Any] = {"params": sent} if operation.method == "GET" else {"json": sent}
    headers = {"Authorization": f"Bearer {secret}"}
    url = running.origin + path
    async with running.http.request(operation.method, url, headers=headers, **about) as answer:
        content = await answer.read()
        said = json.loads(content) if "json" in answer.content_type else content.decode("latin-1")
        if isinstance(said, dict):
            said.pop("request_id", None)
        return answer.status, said
