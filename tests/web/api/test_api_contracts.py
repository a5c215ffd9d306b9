"""The integration API, called as another system would call it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from sqlalchemy import text

from hub.errors import TooSoon
from hub.lifecycle.sealing.finalise import advance
from hub.model.staff.scope import EVERYTHING
from hub.web.api.endpoint import MAX_BODY_BYTES
from tests.database import tamper
from tests.lifecycle.signer import signed
from tests.running import GUARDIAN_ID, MINOR_ID, Running, running_hub, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTRACTS = "/api/v1/contracts"


class Api:
    def __init__(self, running: Running, key: str) -> None:
        self._running, self._key = running, key

    async def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        sent = {"Authorization": f"Bearer {self._key}"} | (headers or {})
        url = self._running.origin + path
        async with self._running.http.request(method, url, json=body, headers=sent) as answer:
            content = await answer.read()
            return answer.status, json.loads(content) if "json" in answer.content_type else content, answer


@pytest.fixture
def api(running: Running) -> Api:
    return Api(running, running.api_key)


def asked(phone: str = "+8619000000101", **changes: Any) -> dict[str, Any]:
    guardian = {"role": "guardian", "name": "陈建国", "phone": phone, "id_number": GUARDIAN_ID, "relation": "父亲"}
    student = {"name": "陈小满", "id_number": MINOR_ID}
    return {"campus": "hefei", "course": "math-a", "student": student, "signers": [guardian]} | changes


async def issue(api: Api, **changes: Any) -> dict[str, Any]:
    status, body, _ = await api("POST", CONTRACTS, asked(**changes))
    assert status == 201, body
    return dict(body)


# ---- issuing and reading


async def test_a_contract_is_issued_and_read(api: Api) -> None:
    issued = await issue(api, external_id="order-7")
    assert set(issued) == {"id", "number", "state", "document_sha256", "ofd_sha256", "signers"}
    assert issued["state"] == "ISSUED" and issued["number"].startswith("QD-")
    (signer,) = issued["signers"]
    assert signer == {"id": signer["id"], "role": "guardian", "state": "OPEN"}

    status, contract, _ = await api("GET", f"{CONTRACTS}/{issued['id']}")
    assert status == 200
    assert contract["external_id"] == "order-7" and contract["document_sha256"] == issued["document_sha256"]
    assert (contract["campus"], contract["course"], contract["stuck"]) == ("hefei", "math-a", None)
    (signer,) = contract["signers"]
    assert signer["name"] == "陈建国" and signer["next_step"]["kind"] == "invitation"
    assert signer["next_step"]["channel"] == "sms" and signer["opened_through"] is None
    moments = (datetime.fromisoformat(contract[name]) for name in ("created_at", "deadline"))
    created, deadline = (moment.astimezone(ZoneInfo("Asia/Shanghai")) for moment in moments)
    assert (deadline.date() - created.date(), f"{deadline:%H:%M}") == (timedelta(days=30), "23:59")


async def test_no_answer_shows_a_whole_id_number_or_a_ticket(api: Api, running: Running) -> None:
    issued = await issue(api)
    ticket_url = (
        await api("POST", f"{CONTRACTS}/{issued['id']}/links", {"signer": issued["signers"][0]["id"], "door": "copy"})
    )[1]["url"]
    for path in ("", "/record", "/reminders"):
        _, body, _ = await api("GET", f"{CONTRACTS}/{issued['id']}{path}")
        text = json.dumps(body)
        assert GUARDIAN_ID not in text and MINOR_ID not in text and ticket_url.rpartition("/")[2] not in text


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"campus": "atlantis"}, "campus", "bad-input"),
        ({"course": None}, "course", "bad-input"),
        ({"course": "alchemy"}, "course", "bad-input"),
        ({"template": "nothing"}, "template", "bad-input"),
        ({"colour": "red"}, "colour", "bad-input"),
        ({"signers": []}, "signers", "bad-input"),
        ({"phone": "12"}, "signers[0].phone", "bad-input"),
        ({"deadline": "2027-01-01T00:00:00"}, "deadline", "bad-input"),
        ({"student": {"name": "陈\u0000满", "id_number": MINOR_ID}}, "student.name", "bad-input"),
        (
            {"student": {"name": "陈小满", "id_number": MINOR_ID, "birth_date": "2001-01-01"}},
            "student.birth_date",
            "bad-input",
        ),
        (
            {"signers": [{"role": "student", "name": "陈小满", "phone": "+8619000000102", "id_number": GUARDIAN_ID}]},
            "signers[0].id_number",
            "bad-input",
        ),
        ({"signers": [{"role": "aunt", "name": "x", "phone": "1", "id_number": "1"}]}, "signers[0].role", "bad-input"),
        (
            {"signers": [{"role": "student", "name": "陈小满", "phone": "+8619000000102", "id_number": MINOR_ID}]},
            "signers",
            "guardian-required",
        ),
    ],
)
async def test_what_is_wrong_is_named(api: Api, changes: dict[str, Any], field: str, code: str) -> None:
    status, problem, answer = await api("POST", CONTRACTS, asked(**changes))
    assert (status, answer.content_type) == (422, "application/problem+json")
    assert (problem["field"], problem["code"], problem["retry"]) == (field, code, False)
    assert MINOR_ID not in json.dumps(problem)


async def test_what_is_no_json_is_refused(running: Running) -> None:
    headers = {"Authorization": f"Bearer {running.api_key}"}
    for body in (b"{", b'"text"', b"\xff", b'{"student": {"name": "\\ud800"}}'):
        async with running.http.post(running.origin + CONTRACTS, data=body, headers=headers) as answer:
            assert answer.status == 422


async def test_an_unknown_contract_is_not_found(api: Api) -> None:
    for path in (str(uuid4()), "none"):
        status, problem, _ = await api("GET", f"{CONTRACTS}/{path}")
        assert (status, problem["code"]) == (404, "contract-not-found")


async def test_the_list_goes_page_by_page(api: Api) -> None:
    made = {(await issue(api, external_id=f"page-{number}"))["id"] for number in range(3)}
    seen: list[str] = []
    cursor = ""
    while True:
        _, page, _ = await api("GET", f"{CONTRACTS}?state=ISSUED&campus=hefei&limit=2" + cursor)
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert made <= set(seen) and len(seen) == len(set(seen))
    assert (await api("GET", f"{CONTRACTS}?campus=beijing"))[1]["items"] == []


@pytest.mark.parametrize("query", ["state=LOST", "limit=0", "limit=1000", "cursor=abc", "color=red", "cursor=AAAA"])
async def test_a_wrong_query_names_its_field(api: Api, query: str) -> None:
    status, problem, _ = await api("GET", f"{CONTRACTS}?{query}")
    assert status == 422 and problem["field"] == query.partition("=")[0]


# ---- keys and campuses


async def test_without_a_key_nothing_is_answered(running: Running) -> None:
    for key in ("wrong", ""):
        for method, path, body in (
            ("GET", CONTRACTS, None),
            ("GET", f"{CONTRACTS}?limit=none", None),
            ("GET", f"{CONTRACTS}/no-id", None),
            ("GET", f"{CONTRACTS}/{uuid4()}", None),
            ("POST", CONTRACTS, asked()),
            ("POST", CONTRACTS, asked(campus="\x00")),
            ("POST", CONTRACTS, asked(deadline="soon")),
            ("POST", CONTRACTS, asked(external_id="x" * MAX_BODY_BYTES)),
            ("POST", f"{CONTRACTS}/no-id/void", {"reason": "why"}),
            ("POST", f"{CONTRACTS}/no-id/links", {}),
        ):
            for headers in ({}, {"Idempotency-Key": "two words"}, {"Idempotency-Key": "order-0"}):
                status, problem, answer = await Api(running, key)(method, path, body, headers)
                found = status, problem["code"], answer.headers.get("WWW-Authenticate")
                assert found == (401, "api-key-not-valid", "Bearer"), (method, path, headers)


async def test_a_campus_key_sees_its_own_campus_alone(api: Api, running: Running) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.api_keys.put_api_key("beijing", "beijing-key", "beijing", tx.now)
    beijing = Api(running, "beijing-key")
    issued = await issue(api)
    assert (await beijing("GET", CONTRACTS))[1]["items"] == []
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/record", None),
        ("GET", "/reminders", None),
        ("GET", "/final.pdf", None),
        ("GET", "/evidence.zip", None),
        ("POST", "/remind", {}),
        ("POST", "/void", {"reason": "no"}),
        ("POST", "/extend", {"deadline": (datetime.now(UTC) + timedelta(days=60)).isoformat()}),
        ("POST", "/reissue", {}),
        ("POST", "/links", {"signer": issued["signers"][0]["id"], "door": "qr"}),
    ):
        status, problem, _ = await beijing(method, f"{CONTRACTS}/{issued['id']}{path}", body)
        assert (status, problem["code"]) == (404, "contract-not-found"), path
    status, problem, _ = await beijing("POST", CONTRACTS, asked())
    assert (status, problem["field"]) == (422, "campus")


# ---- once per Idempotency-Key


async def test_the_same_key_gives_the_same_answer(api: Api, running: Running) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = await api("POST", CONTRACTS, asked(external_id="once"), headers)
    again = await api("POST", CONTRACTS, asked(external_id="once"), headers)
    assert first[0] == again[0] == 201 and first[1] == again[1]
    assert again[2].headers["Idempotent-Replayed"] == "true"
    page = (await api("GET", f"{CONTRACTS}?limit=200"))[1]
    assert sum(item["external_id"] == "once" for item in page["items"]) == 1
    status, problem, _ = await api("POST", CONTRACTS, asked(external_id="other"), headers)
    assert (status, problem["code"]) == (422, "idempotency-mismatch")


async def test_at_the_same_moment_only_one_is_worked_on(api: Api) -> None:
    headers = {"Idempotency-Key": "order-2"}
    answers = await asyncio.gather(*(api("POST", CONTRACTS, asked(external_id="race"), headers) for _ in range(4)))
    made = {body["id"] for status, body, _ in answers if status == 201}
    assert len(made) == 1
    for status, _, answer in answers:
        assert status == 201 or (status == 429 and int(answer.headers["Retry-After"]) >= 1)


async def test_a_refusal_is_kept_too_but_not_one_that_passes(api: Api) -> None:
    issued = await issue(api)
    path, headers = f"{CONTRACTS}/{issued['id']}", {"Idempotency-Key": "act-1"}
    assert (await api("POST", f"{path}/remind", {}, {"Idempotency-Key": "act-0"}))[0] == 200
    status, problem, _ = await api("POST", f"{path}/remind", {}, headers)
    assert (status, problem["retry"]) == (429, True)
    status, _, answer = await api("POST", f"{path}/remind", {}, headers)
    assert status == 429 and "Idempotent-Replayed" not in answer.headers
    assert int(answer.headers["Retry-After"]) > 60  # nobody holds the key any more
    headers = {"Idempotency-Key": "act-2"}
    assert (await api("POST", f"{path}/void", {"reason": "wrong course"}))[0] == 200
    first = await api("POST", f"{path}/extend", {"deadline": "2030-01-01T00:00:00Z"}, headers)
    again = await api("POST", f"{path}/extend", {"deadline": "2030-01-01T00:00:00Z"}, headers)
    assert first[0] == again[0] == 409 and first[1] == again[1] and "Idempotent-Replayed" in again[2].headers
    assert again[2].content_type == "application/problem+json"


async def test_contract_and_kept_answer_are_one_transaction(running: Running, api: Api) -> None:
    async def contracts() -> int:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            return int(await tx.connection.scalar(text("SELECT count(*) FROM contract")) or 0)

    dsn, before = running.hub.database.dsn, await contracts()
    await tamper(dsn, "ALTER TABLE idempotency ADD CONSTRAINT full_disk CHECK (status IS NULL) NOT VALID")
    try:
        status, _, _ = await api("POST", CONTRACTS, asked(), {"Idempotency-Key": "dies"})
    finally:  # the next test borrows the same hub
        await tamper(dsn, "ALTER TABLE idempotency DROP CONSTRAINT full_disk")
    assert status == 500 and await contracts() == before


async def test_the_key_of_a_request_whose_process_died_is_free_after_two_minutes(running: Running) -> None:
    owner, asked_for = uuid4(), bytes(32)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.idempotency.find_answer(owner, "k", asked_for, tx.now) is None
        with pytest.raises(TooSoon, match="is still running"):
            await tx.idempotency.find_answer(owner, "k", asked_for, tx.now + timedelta(seconds=90))
        assert await tx.idempotency.find_answer(owner, "k", asked_for, tx.now + timedelta(seconds=121)) is None
        with pytest.raises(TooSoon, match="is still running"):
            await tx.idempotency.find_answer(owner, "k", asked_for, tx.now + timedelta(seconds=122))


async def test_a_key_that_is_none_is_refused(api: Api) -> None:
    status, problem, _ = await api("POST", CONTRACTS, asked(), {"Idempotency-Key": "two words"})
    assert (status, problem["field"]) == (422, "Idempotency-Key")


# ---- acts


async def test_each_door_has_its_link(api: Api, running: Running) -> None:
    issued = await issue(api)
    signer = issued["signers"][0]["id"]
    path = f"{CONTRACTS}/{issued['id']}/links"
    links = {door: (await api("POST", path, {"signer": signer, "door": door}))[1] for door in ("qr", "applink", "copy")}
    assert links["copy"]["url"].startswith(f"{running.origin}/s/") and links["copy"]["qr_svg"] is None
    assert "<svg" in links["qr"]["qr_svg"] and links["qr"]["url"].isupper()
    assert links["applink"]["app_url"].startswith("qianda://s/")
    assert len({link["short_code"] for link in links.values()}) == 3
    assert (await api("POST", path, {"signer": signer, "door": "qr"}))[1] == links["qr"]
    status, problem, _ = await api("POST", path, {"signer": str(uuid4()), "door": "qr"})
    assert (status, problem["field"]) == (422, "signer")


async def test_a_deadline_moves_and_a_contract_is_withdrawn(api: Api) -> None:
    path = f"{CONTRACTS}/{(await issue(api))['id']}"
    later = (datetime.now(UTC) + timedelta(days=60)).isoformat()
    status, contract, _ = await api("POST", f"{path}/extend", {"deadline": later})
    assert status == 200 and datetime.fromisoformat(contract["deadline"]) == datetime.fromisoformat(later)
    status, contract, _ = await api("POST", f"{path}/void", {"reason": "wrong course"})
    assert (status, contract["state"], contract["reason"]) == (200, "VOIDED", "wrong course")
    assert contract["signers"][0]["state"] == "CLOSED" and contract["signers"][0]["next_step"] is None
    status, problem, _ = await api("POST", f"{path}/remind", {})
    assert (status, problem["code"]) == (409, "illegal-move")


async def test_a_contract_is_issued_anew_in_place_of_the_old_one(api: Api) -> None:
    old = await issue(api, external_id="anew")
    status, new, _ = await api("POST", f"{CONTRACTS}/{old['id']}/reissue")
    assert status == 201 and new["id"] != old["id"] and new["number"] != old["number"]
    before = (await api("GET", f"{CONTRACTS}/{old['id']}"))[1]
    after = (await api("GET", f"{CONTRACTS}/{new['id']}"))[1]
    assert (before["state"], before["replaced_by"]) == ("VOIDED", new["id"])
    assert (after["state"], after["replaces"], after["external_id"]) == ("ISSUED", old["id"], "anew")
    assert [signer["name"] for signer in after["signers"]] == ["陈建国"]
    status, problem, _ = await api("POST", f"{CONTRACTS}/{old['id']}/reissue")
    assert (status, problem["code"]) == (409, "conflict")


async def test_of_two_at_once_only_one_takes_the_place(api: Api) -> None:
    old = await issue(api)
    answers = await asyncio.gather(*(api("POST", f"{CONTRACTS}/{old['id']}/reissue") for _ in range(2)))
    assert sorted(status for status, _, _ in answers) == [201, 409]


# ---- papers


async def test_before_completion_there_is_no_final_file(api: Api) -> None:
    path = f"{CONTRACTS}/{(await issue(api))['id']}"
    assert (await api("GET", f"{path}/final.pdf"))[:2][0] == 409
    assert (await api("GET", f"{path}/final.pdf"))[1]["code"] == "not-completed"
    assert (await api("GET", f"{path}/evidence.zip"))[0] == 404


async def test_a_stored_file_that_is_damaged_is_our_fault_and_not_the_callers(running: Running, api: Api) -> None:
    contract = await running.issue_minor()
    await signed(running, contract)
    await advance(running.hub.services, contract.id)
    path = f"{CONTRACTS}/{contract.id}/final.pdf"
    status, content, _ = await api("GET", path)
    name = hashlib.sha256(content).hexdigest()
    file = running.hub.settings.data / "files" / name[:2] / name
    file.write_bytes(content[:-1])
    damaged = await api("GET", path)
    file.unlink()
    missing = await api("GET", path)
    file.mkdir()
    unreadable = await api("GET", path)
    file.rmdir()
    file.write_bytes(content)
    assert [(status, answer["code"]) for status, answer, _ in (damaged, missing, unreadable)] == [
        (503, "stored-file-unreadable"),
        (503, "stored-file-unreadable"),
        (503, "files-unavailable"),
    ]
    assert (status, unreadable[1]["retry"], damaged[1]["retry"]) == (200, True, False)
    assert unreadable[1]["detail"] == ""  # the reason names a folder of the server


async def test_a_stranger_can_check_the_record(api: Api) -> None:
    issued = await issue(api)
    _, record, _ = await api("GET", f"{CONTRACTS}/{issued['id']}/record")
    assert record["broken_at"] is None and len(record["entries"]) >= 3
    previous = "00" * 32
    for number, entry in enumerate(record["entries"], start=1):
        assert (entry["sequence"], entry["previous"], UUID(entry["contract"])) == (number, previous, UUID(issued["id"]))
        statement = {name: value for name, value in entry.items() if name != "digest"}
        text = json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert entry["digest"] == previous


async def test_the_ledger_shows_what_is_planned(api: Api) -> None:
    issued = await issue(api)
    _, ledger, _ = await api("GET", f"{CONTRACTS}/{issued['id']}/reminders")
    (entry,) = ledger["entries"]
    assert (entry["kind"], entry["step"], entry["signer"]) == ("planned", "invitation", issued["signers"][0]["id"])


async def test_messages_show_up_with_their_fate() -> None:
    async with running_hub() as hub:
        api = Api(hub, hub.api_key)
        issued = await issue(api)

        async def delivered() -> list[dict[str, Any]]:
            found = (await api("GET", f"{CONTRACTS}/{issued['id']}"))[1]["deliveries"]
            return [each for each in found if each["state"] == "delivered"]

        (delivery,) = await until(delivered)
        assert (delivery["channel"], delivery["purpose"]) == ("sms", "invitation")
        assert delivery["signer"] == issued["signers"][0]["id"]
