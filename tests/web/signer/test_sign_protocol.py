"""The signing protocol as the client library follows it, on a whole hub."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.model.contract.signer import Role
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from qianda.checks import RefusedToSign
from qianda.client import PreparedRequest, SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import ProtocolProblem
from tests.database import LOCK_WAITS
from tests.lent_hubs import lent_hub
from tests.running import ADULT_ID, GUARDIAN_ID, GUARDIAN_PHONE, STUDENT_PHONE, Running, until
from tests.web.signer_visits import NAME, TAIL, asked, code_for, opened, stands_alone, verified, without_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

STUDENT_SIGNS = (
    NewSigner(Role.GUARDIAN, NAME, GUARDIAN_PHONE, GUARDIAN_ID, relation="父亲", order=1),
    NewSigner(Role.STUDENT, "李想", STUDENT_PHONE, ADULT_ID, order=2),
)
ANY_ORDER = tuple(
    NewSigner(each.role, each.name, each.phone, each.id_number, relation=each.relation) for each in STUDENT_SIGNS
)
ADULT = NewStudent("李想", "cn-id", ADULT_ID)


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def test_from_the_link_to_the_completed_contract(running: Running) -> None:
    contract = await running.issue_minor()
    async with SigningClient(running.origin) as client:
        landed = await client.open(await running.ticket(contract))
        assert set(landed) == {"session", "key_challenge", "school", "campus", "language"}
        await client.code()
        listed = await client.verify(await code_for(running), NAME, TAIL.lower())
        assert listed == [{"id": str(contract.id), "title": contract.title, "state": "ISSUED", "task": "OPEN"}]
        seen = await client.contract()
        shown = await client.document()
        assert hashlib.sha256(shown).hexdigest() == seen.document_sha256 == contract.document
        assert {"role": "guardian", "name": NAME, "state": "OPEN", "you": True} in seen.signers
        assert all(set(row) == {"label", "value"} for row in seen.summary)
        for number in range(1, seen.pages + 1):
            assert (await client.page(number)).startswith(b"\x89PNG")
        assert "退费" in await client.text()
        signed = await client.sign(strokes=[[[0.1, 0.2], [0.4, 0.8]], [[0.5, 0.5], [0.9, 0.5]]], shown=shown)
        assert signed.state == "SIGNED"
        final = await running.completed(contract)
        assert await client.final() == final == await client.document()
        assert (await client.session())["contracts"][0]["state"] == "COMPLETED"


async def test_unknown_expired_and_revoked_tickets_are_answered_alike(running: Running) -> None:
    revoked = await running.issue_minor()
    ticket = await running.ticket(revoked)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        signer = (await tx.contracts.list_signers(revoked.id))[0]
        withdrawn = tx.links.ticket(await tx.links.add(signer, DoorKind.DESK, tx.now, tx.now + timedelta(hours=1)))
        await tx.links.renew([signer.id], tx.now)
        expired = await tx.links.add(signer, DoorKind.DESK, tx.now, tx.now - timedelta(minutes=1))
        old = tx.links.ticket(expired)
    bodies = [
        {"ticket": ticket},
        {"ticket": withdrawn},
        {"ticket": old},
        {"ticket": "0123456789ABC"},
        {"ticket": "?"},
        {"poster": "X", "phone": "+8613800000000", "name": "X"},
    ]
    answers = [await asked(running, "POST", "/sign/v1/open", body=body) for body in bodies]
    assert {status for status, _, _ in answers} == {404}
    assert all(without_id(body) == without_id(answers[0][1]) for _, body, _ in answers)
    assert answers[0][1]["code"] == "link-not-valid"
    assert not any("Set-Cookie" in headers for _, _, headers in answers)


async def test_nothing_personal_before_the_code(running: Running) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        landed = await client.session()
        assert landed["verified"] is False and landed["contracts"] == []
        for call in (client.contract, client.document, client.text, client.final):
            with pytest.raises(ProtocolProblem) as refused:
                await call()
            assert (refused.value.status, refused.value.code) == (403, "not-verified")
        with pytest.raises(ProtocolProblem, match="not-verified"):
            await client.page(1)
        with pytest.raises(ProtocolProblem, match="not-verified"):
            await client.key(SoftwareKey())
        said = str(landed)
    status, page, _ = await asked(running, "GET", f"/s/{await running.ticket(contract)}")
    assert status == 200
    for personal in (NAME, "陈小满", GUARDIAN_PHONE[3:], contract.number, contract.title):
        assert personal not in said and personal not in page
    assert not stands_alone(GUARDIAN_PHONE[-4:], said) and not stands_alone(GUARDIAN_PHONE[-4:], page)


async def test_one_wrong_answer_of_three_is_as_wrong_as_all(running: Running) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        await client.code()
        code, said = await code_for(running), set[str]()
        wrong = str((int(code) + 1) % 1_000_000).zfill(6)
        for answer in ((wrong, NAME, TAIL), (code, "陈小满", TAIL), (code, NAME, "0000"), (wrong, "?", "?")):
            with pytest.raises(ProtocolProblem) as refused:
                await client.verify(*answer)
            assert (refused.value.status, refused.value.code) == (403, "wrong-answer")
            said.add(refused.value.detail)
        assert len(said) == 1
        await client.verify(code, NAME, TAIL)
        with pytest.raises(ProtocolProblem, match="wrong-answer"):
            await client.verify(code, NAME, TAIL)  # a code can be used once


async def test_after_ten_wrong_answers_the_signer_is_locked_until_tomorrow(running: Running) -> None:
    running.clock.advance_to_noon()
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        await client.code()
        code = await code_for(running)
        for _ in range(10):
            with pytest.raises(ProtocolProblem, match="wrong-answer"):
                await client.verify(code, NAME, "0000")
        with pytest.raises(ProtocolProblem) as locked:
            await client.verify(code, NAME, TAIL)
    assert (locked.value.status, locked.value.code) == (429, "locked")
    assert locked.value.retry_after and 0 < locked.value.retry_after <= 86400


async def test_codes_have_a_budget_and_a_new_one_kills_the_old(running: Running) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        await client.code()
        first = await code_for(running)
        with pytest.raises(ProtocolProblem) as soon:
            await client.code()
        assert (soon.value.status, soon.value.code) == (429, "too-soon")
        assert soon.value.retry_after and 0 < soon.value.retry_after <= 60
        running.clock.advance(timedelta(seconds=61))
        await client.code()
        second = await code_for(running, count=2)
        if first != second:
            with pytest.raises(ProtocolProblem, match="wrong-answer"):
                await client.verify(first, NAME, TAIL)
        await client.verify(second, NAME, TAIL)


async def test_the_secret_rotates_when_the_visitor_is_verified(running: Running) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        await client.code()
        old = client.bearer
        await client.verify(await code_for(running), NAME, TAIL)
        assert old != client.bearer
        status, body, _ = await asked(running, "GET", "/sign/v1/session", bearer=old)
        assert (status, body["code"]) == (401, "session-not-valid")


async def test_a_proof_must_fit_and_a_challenge_serves_once(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        challenge = (await client.session())["key_challenge"]
        with pytest.raises(ProtocolProblem, match="wrong-proof"):
            await client.key(SignsSomethingElse())
        client._challenge = b64decode(challenge)
        with pytest.raises(ProtocolProblem, match="wrong-proof"):
            await client.key(SoftwareKey())  # right, but over a challenge that was used
        assert len(await client.key(SoftwareKey())) == 2


class SignsSomethingElse(SoftwareKey):
    def sign(self, data: bytes) -> bytes:
        return super().sign(data + b"!")


async def test_another_document_or_consent_than_the_shown_is_not_prepared(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        seen = await client.contract()
        await client.key(SoftwareKey())
        consent = {"version": seen.consent.version, "sha256": seen.consent.sha256}
        other = {"document_sha256": "0" * 64, "consent": consent, "appearance": None}
        status, body, _ = await asked(running, "POST", "/sign/v1/prepare", body=other, bearer=client.bearer)
        assert (status, body["code"]) == (403, "wrong-document")
        other = {"document_sha256": seen.document_sha256, "consent": consent | {"version": "0"}, "appearance": None}
        status, body, _ = await asked(running, "POST", "/sign/v1/prepare", body=other, bearer=client.bearer)
        assert (status, body["code"]) == (403, "wrong-consent")


async def test_out_of_turn(running: Running) -> None:
    contract = await running.issue_minor(student=ADULT, signers=STUDENT_SIGNS)
    async with verified(running, contract, 1, "李想", ADULT_ID[-4:], STUDENT_PHONE) as second:
        assert (await second.session())["contracts"][0]["task"] == "WAITING"
        with pytest.raises(ProtocolProblem) as refused:
            await second.sign()
        assert (refused.value.status, refused.value.code) == (409, "not-your-turn")


async def test_the_second_signer_waits_while_the_first_one_signs(running: Running) -> None:
    contract = await running.issue_minor(student=ADULT, signers=ANY_ORDER)
    async with (
        verified(running, contract) as first,
        verified(running, contract, 1, "李想", ADULT_ID[-4:], STUDENT_PHONE) as second,
    ):
        holder = SoftwareKey()
        await first.key(holder)
        made = await first.prepare(await first.contract())
        await second.key(SoftwareKey())
        before = await second.contract()
        with pytest.raises(ProtocolProblem) as busy:
            await second.prepare(before)
        assert (busy.value.status, busy.value.code) == (409, "document-busy")
        assert busy.value.retry_after and 0 < busy.value.retry_after <= 180
        await first.signature(made.request, holder.sign(made.to_be_signed))

        async def embedded() -> bool:
            return (await second.contract()).document_sha256 != before.document_sha256

        await until(embedded)
        with pytest.raises(ProtocolProblem, match="document-changed"):
            await second.prepare(before)
        assert (await second.sign()).state == "SIGNED"
        assert await running.completed(contract)


async def test_a_repeated_signature_is_a_success_and_a_repeated_prepare_is_not(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        seen, holder = await client.contract(), SoftwareKey()
        await client.key(holder)
        made = await client.prepare(seen)
        wrong = holder.sign(made.to_be_signed + b"!")
        with pytest.raises(ProtocolProblem, match="wrong-signature"):
            await client.signature(made.request, wrong)
        signature = holder.sign(made.to_be_signed)
        answers = await asyncio.gather(*(client.signature(made.request, signature) for _ in range(3)))
        assert [answer["state"] for answer in answers] == ["SIGNED"] * 3
        with pytest.raises(ProtocolProblem) as again:
            await client.prepare(seen)
        assert (again.value.status, again.value.code) == (409, "already-signed")


async def test_a_half_signed_file_is_not_handed_out(running: Running) -> None:
    contract = await running.issue_minor(student=ADULT, signers=STUDENT_SIGNS)
    async with verified(running, contract) as client:
        await client.sign()
        for call in (client.final, client.document):
            with pytest.raises(ProtocolProblem) as refused:
                await call()
            assert (refused.value.status, refused.value.code) == (409, "not-completed")
        with pytest.raises(ProtocolProblem) as missing:
            await client.evidence()
        assert missing.value.status == 404


async def test_a_swapped_file_is_refused_and_the_refusal_is_kept(running: Running) -> None:
    contract = await running.issue_minor()

    class Swapped(SigningClient):
        async def prepared_file(self, prepared: PreparedRequest) -> bytes:
            return (await super().prepared_file(prepared)).replace(b"/Type", b"/type", 1)

    async with verified(running, contract) as honest, Swapped(running.origin) as client:
        client.resume(honest.bearer or "")
        with pytest.raises(RefusedToSign) as refused:
            await client.sign()
        assert refused.value.number == 1
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
        tasks = [task.kind for task in await tx.staff_tasks.list_open_tasks()]
    assert "signing-refused-by-client" in kinds and "refused-by-client" in tasks


async def test_declining_ends_the_contract_and_asking_stops_reminders(running: Running) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        await client.question("Is this mine?")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert (await tx.tasks.list_of_contract(contract.id))[0].paused
    async with verified(running, contract) as client:
        assert await client.decline("too dear") == {"state": "DECLINED"}
        assert await client.decline("too dear") == {"state": "DECLINED"}
        with pytest.raises(ProtocolProblem) as over:
            await client.sign()
        assert over.value.status == 409
    assert await running.state(contract) == "DECLINED"


async def test_whoever_asks_while_a_message_is_written_waits_for_it(running: Running) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        async with running.hub.database.transaction(EVERYTHING) as sending:
            await sending.contracts.lock_contract(contract.id)
            await sending.record.append(contract.id, contract.campus, "message-sending", "hub", {})
            asking = asyncio.create_task(client.question("Is this mine?"))
            await until(partial(somebody_waits_for_a_lock, sending))
            await sending.tasks.pause((await sending.tasks.list_of_contract(contract.id))[0].id, False)
        await asking
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert (await tx.tasks.list_of_contract(contract.id))[0].paused


async def somebody_waits_for_a_lock(tx: Transaction) -> bool:
    return bool(await tx.connection.scalar(text(LOCK_WAITS)))


async def test_a_new_link_goes_to_the_phone_on_file_and_to_nobody_else(running: Running) -> None:
    contract = await running.issue_minor()
    ticket = await running.ticket(contract)
    bodies = (
        {"ticket": "0123456789ABC"},
        {"phone": "+8613800138000"},
        {"phone": "no number"},
        {"ticket": ticket},
        {"ticket": ticket},
        {"phone": "190 0000 0101"},
    )
    for body in bodies:
        status, said, _ = await asked(running, "POST", "/sign/v1/relink", body=body)
        assert (status, said) == (202, {})
    assert running.origin in await running.message("new-link")
    assert [each["purpose"] for each in await running.messages()].count("new-link") == 1
