"""What a contract asks its signer for: filled in before it is signed, laid out by its own text, sealed."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pikepdf
import pytest
from PIL import Image

from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.signing.attachment_upload import AttachmentReader
from hub.errors import AlreadySigned, AnswersFixed, AnswersMissing, BadInput, BudgetSpent, ManyAttachments, NotFound
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.give_answers import attach, give_answers, labelled_fields
from hub.lifecycle.evidence.hold import lift_hold, place_hold
from hub.lifecycle.evidence.open_attachment import read_attachment
from hub.lifecycle.evidence.person import PersonAct, erase_person, export_person
from hub.lifecycle.evidence.retention import purge
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing.entry.see_page import see_page
from hub.model.contract.contract import Contract
from hub.model.evidence.inspection import InspectedContract, RecordInspection
from hub.model.evidence.person_data import SoughtPerson
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.evidence.test_person import owner_of
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import Person, completed, person
from tests.lifecycle.signing.test_spending import stored
from tests.running import GUARDIAN_ID, MovableClock, Running, running_hub

ANSWERS = {"health": "花生过敏", "emergency_contact": "外婆 0551-62880011"}


@pytest.fixture(scope="module")
def reader() -> Iterator[AttachmentReader]:
    made = AttachmentReader()
    yield made
    made.close()


def photo(size: tuple[int, int] = (3000, 2000)) -> bytes:
    """Return a photo that says where it was taken."""
    picture, written, exif = Image.new("RGB", size, (180, 60, 60)), io.BytesIO(), Image.Exif()
    exif[0x010F] = "a phone"
    exif.get_ifd(0x8825)[1] = "N"
    picture.save(written, "JPEG", exif=exif, comment=b"at home")
    return written.getvalue()


def pdf(**options: Any) -> bytes:
    made, written = pikepdf.new(), io.BytesIO()
    made.add_blank_page()
    if options.pop("active", False):
        made.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
    made.save(written, deterministic_id="encryption" not in options, **options)
    return written.getvalue()


@asynccontextmanager
async def visiting(clock: MovableClock | None = None) -> AsyncIterator[tuple[Running, Contract, Person]]:
    """Yield a guardian who has come in to a notice that asks for something."""
    async with quiet_hub(clock) as running:
        signers = two_guardians(1, 1)
        contract = await running.issue_minor(template="safety-notice", companions=(), send="none", signers=signers)
        guardian = await person(running, contract)
        await guardian.enter()
        yield running, contract, guardian


async def now(running: Running, contract: Contract) -> Contract:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.get(contract.id)


async def text_of(running: Running, contract: Contract) -> str:
    return str((await now(running, contract)).data["text"])


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_filled_in_then_signed_and_the_record_knows_both_documents() -> None:
    async with visiting() as (running, contract, guardian):
        services = running.hub.services
        assert "（由签署人填写）" in await text_of(running, contract)
        templates = services.documents.printer.templates
        labels = {each: labelled_fields(templates, contract, each)[0].label for each in ("zh", "en", "fr")}
        assert labels == {"zh": "健康情况", "en": "Health", "fr": "健康情况"}
        guardian.challenge = await guardian.fresh_challenge()
        with pytest.raises(AnswersMissing):
            await guardian.certify()
        given = await attach(services, guardian.secret, contract.id, "certificate", photo())
        answered = await give_answers(services, guardian.secret, contract.id, ANSWERS)
        assert answered.document != contract.document
        shown = await text_of(running, contract)
        assert "花生过敏" in shown
        assert given.sha256 in shown
        assert "由签署人填写" not in shown
        await guardian.fresh_challenge()
        await guardian.sign()
        await advance(services, contract.id)
        with pytest.raises(AlreadySigned):
            await give_answers(services, guardian.secret, contract.id, ANSWERS)
        mother = await person(running, contract, 1)
        await mother.enter()
        with pytest.raises(AnswersFixed):
            await give_answers(services, mother.secret, contract.id, ANSWERS)
        await mother.fresh_challenge()
        await mother.sign()
        await completed(running, contract)
        await inspect(running, contract)


async def inspect(running: Running, contract: Contract) -> None:
    """Check the record against the row, as `qianda doctor` does."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.contracts.get(contract.id)
        entries = await tx.record.list_entries(contract.id)
        versions = {str(each["sha256"]) for each in await tx.contracts.list_versions(contract.id)}
    assert [each.kind for each in entries].count("answered") == 1
    answered = next(each for each in entries if each.kind == "answered")
    assert set(answered.facts["answers"]) == set(ANSWERS)
    assert "花生" not in str(answered.facts)
    row = InspectedContract(
        found.id, found.number, found.state.value, found.document, found.issued_sha256, None, versions
    )
    inspection = RecordInspection(row)
    faults = [fault for entry in entries for fault in inspection.add(entry)]
    assert not [fault for fault in [*faults, *inspection.end()] if "head" not in fault]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_attachment_is_stored_sealed_and_without_where_it_was_taken() -> None:
    async with visiting() as (running, contract, guardian):
        services = running.hub.services
        given = await attach(services, guardian.secret, contract.id, "certificate", photo())
        stored = await services.files.get(given.file)
        assert b"JFIF" not in stored
        media_type, content = await read_attachment(services, EVERYTHING, contract.id, given.id)
        with pytest.raises(NotFound):
            await read_attachment(services, EVERYTHING, guardian.signer.id, given.id)
        assert media_type == "image/jpeg"
        with Image.open(io.BytesIO(content)) as picture:
            assert max(picture.size) == 2400
            assert not picture.getexif()
            assert "comment" not in picture.info


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"MZ not a picture", "a photo"),
        (pdf(encryption=pikepdf.Encryption(owner="x", user="y")), "protected by a password"),
        (pdf(active=True), "programs or other files"),
        (pdf()[:200], "the PDF is damaged"),
        (b"\x00" * (10 * 1024 * 1024 + 1), "up to 10 MB"),
    ],
    ids=["program", "encrypted", "active", "damaged", "large"],
)
def test_what_is_no_photo_and_no_plain_pdf_is_refused(content: bytes, why: str, reader: AttachmentReader) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        reader.read(content, "certificate")
    assert refused.value.field == "certificate"
    assert reader.read(pdf(), "certificate") == ("application/pdf", pdf())


@pytest.mark.asyncio(loop_scope="module")
async def test_answers_are_changed_until_somebody_has_signed_and_what_they_replace_goes() -> None:
    clock = MovableClock()
    async with visiting(clock) as (running, contract, guardian):
        services = running.hub.services
        first = await attach(services, guardian.secret, contract.id, "certificate", photo((300, 200)))
        await give_answers(services, guardian.secret, contract.id, ANSWERS)
        second = await attach(services, guardian.secret, contract.id, "certificate", pdf())
        await give_answers(services, guardian.secret, contract.id, ANSWERS | {"health": "无"})
        shown = await text_of(running, contract)
        assert second.sha256 in shown
        assert first.sha256 not in shown
        async with running.hub.database.transaction(EVERYTHING) as tx:
            kept = await tx.answers.list_attachments(contract.id)
        assert [each.superseded_at is None for each in kept] == [False, True]
        with pytest.raises(BadInput, match="this is needed") as refused:
            await give_answers(services, guardian.secret, contract.id, {"health": "无"})
        assert refused.value.field == "emergency_contact"
        day = timedelta(days=1)
        assert (await purge(services))["attachments"] == 0  # a backup may have begun
        await place_hold(services, EVERYTHING, contract.id, ("case 7", None), "test")
        clock.advance(2 * day)
        assert (await purge(services))["attachments"] == 0
        await lift_hold(services, EVERYTHING, contract.id, "settled", "test")
        await place_hold(services, EVERYTHING, contract.id, ("case 8", clock() + day), "test")
        for since_then, deleted in ((0 * day, 0), (1.5 * day, 0), (day, 1)):
            clock.advance(since_then)
            assert (await purge(services))["attachments"] == deleted
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.stored_files.list_named([first.file, second.file]) == {second.file}
            versions = {each["sha256"]: each["file"] for each in await tx.contracts.list_versions(contract.id)}
        assert versions[contract.document] is None


@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_that_the_answers_add_is_shown_and_noted() -> None:
    async with visiting() as (running, contract, guardian):
        services = running.hub.services
        long = dict.fromkeys(ANSWERS, "很长的说明，" * 50)
        answered = await give_answers(services, guardian.secret, contract.id, long)
        assert answered.pages > contract.pages
        seen = await see_page(services, guardian.secret, contract.id, answered.pages)
        assert seen.is_noted and seen.document == answered.document
        with pytest.raises(NotFound):
            await see_page(services, guardian.secret, contract.id, answered.pages + 1)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_attachment_is_given_out_to_its_signer_and_erased_with_them() -> None:
    async with visiting() as (running, contract, guardian):
        services = running.hub.services
        given = await attach(services, guardian.secret, contract.id, "certificate", photo((300, 200)))
        await give_answers(services, guardian.secret, contract.id, ANSWERS)
        later = await attach(services, guardian.secret, contract.id, "certificate", photo((200, 300)))
        act = PersonAct(SoughtPerson.typed("", GUARDIAN_ID, ""), EVERYTHING, "command-line", "asked by letter")
        with zipfile.ZipFile(io.BytesIO(await export_person(services, act))) as exported:
            names = [name for name in exported.namelist() if name.startswith("attachments/")]
            assert names == [f"attachments/{contract.number}-certificate-{each.id}.jpg" for each in (given, later)]
            content = exported.read(names[0])
        assert hashlib.sha256(content).hexdigest() == given.sha256
        await void(services, EVERYTHING, contract.id, "a mistake", "test")
        async with owner_of(running) as owner:
            await erase_person(services, owner, act)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.answers.list_attachments(contract.id) == []
            assert "answers" not in (await tx.contracts.get(contract.id)).data
        assert await services.files.get_size(given.file) == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_the_hubs_own_role_changes_no_answer_and_deletes_no_attachment_of_a_signed_contract() -> None:
    async with visiting() as (running, contract, guardian):
        services = running.hub.services
        shown = await attach(services, guardian.secret, contract.id, "certificate", photo((300, 200)))
        await give_answers(services, guardian.secret, contract.id, ANSWERS)
        await attach(services, guardian.secret, contract.id, "certificate", photo((200, 300)))  # of no answer
        await guardian.fresh_challenge()
        await guardian.sign()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            kept = await tx.answers.list_attachments(contract.id)
        assert [each.id for each in kept if each.superseded_at is None] == [shown.id]
        await refuse_changes(running, contract)  # accepted, and not embedded yet
        await advance(services, contract.id)
        await refuse_changes(running, contract)


async def refuse_changes(running: Running, contract: Contract) -> None:
    """Check that the hub's own role may not change the answers, nor delete what the contract shows."""
    connection = await asyncpg.connect(running.hub.database.dsn)
    try:
        await connection.execute("SET qianda.scope = '*'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="answers of a signed contract"):
            await connection.execute("UPDATE contract SET answers_sealed = NULL WHERE id = $1", contract.id)
        kept = "DELETE FROM attachment WHERE superseded_at IS NULL"
        assert await connection.execute(kept) == "DELETE 0"
    finally:
        await connection.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_text_is_that_with_which_it_was_issued(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(PACKED / "templates" / "contracts", folder)
    async with running_hub(templates=folder, with_web=False, with_worker=False) as running:
        contract = await running.issue_minor(template="safety-notice", companions=(), send="none")
        clauses = folder / "safety-notice-zh" / "clauses.txt.j2"
        clauses.write_text(clauses.read_text("utf-8").replace("火灾", "地震"), "utf-8")
        running.hub.services.documents.printer.templates = ContractTemplates(folder)
        guardian = await person(running, contract)
        await guardian.enter()
        await give_answers(running.hub.services, guardian.secret, contract.id, ANSWERS)
        shown = await text_of(running, contract)
        assert "火灾" in shown
        assert "地震" not in shown


@pytest.mark.asyncio(loop_scope="module")
async def test_answers_are_laid_out_so_often_an_hour() -> None:
    """Each time a document is stored, but none for answers that are refused."""
    async with quiet_hub(configured={"budgets": {"prepared_per_task_hour": 2}}) as running:
        signers = two_guardians(1, 1)
        contract = await running.issue_minor(template="safety-notice", companions=(), send="none", signers=signers)
        first, second = [await person(running, contract, number) for number in (0, 1)]
        await first.enter()
        await second.enter()
        for number in range(2):
            values = ANSWERS | {"health": str(number)}
            await give_answers(running.hub.services, first.secret, contract.id, values)
        before = stored(running)
        with pytest.raises(BudgetSpent) as spent:
            await give_answers(running.hub.services, first.secret, contract.id, ANSWERS)
        assert spent.value.kind == "answered"
        assert stored(running) == before
        await give_answers(running.hub.services, second.secret, contract.id, ANSWERS)


@pytest.mark.asyncio(loop_scope="module")
async def test_simultaneous_answers_are_counted_before_they_are_laid_out() -> None:
    async with quiet_hub(configured={"budgets": {"prepared_per_task_hour": 2}}) as running:
        contract = await running.issue_minor(template="safety-notice", companions=(), send="none")
        guardian, services = await person(running, contract), running.hub.services
        await guardian.enter()
        before = len(stored(running))
        sent = [
            give_answers(services, guardian.secret, contract.id, ANSWERS | {"health": str(each)}) for each in range(5)
        ]
        given = await asyncio.gather(*sent, return_exceptions=True)
        assert sum(isinstance(each, BudgetSpent) for each in given) == 3
        assert len(stored(running)) - before <= 2


@pytest.mark.asyncio(loop_scope="module")
async def test_so_many_unreadable_files_are_read_for_a_signer_in_an_hour() -> None:
    """Each may keep the one reader for half a minute."""
    async with quiet_hub(configured={"budgets": {"prepared_per_task_hour": 2}}) as running:
        contract = await running.issue_minor(template="safety-notice", companions=(), send="none")
        guardian, services = await person(running, contract), running.hub.services
        await guardian.enter()
        for _ in range(2):
            with pytest.raises(BadInput, match="a photo"):
                await attach(services, guardian.secret, contract.id, "certificate", b"no photo")
        for uploaded in (b"no photo", photo()):
            with pytest.raises(BudgetSpent) as spent:
                await attach(services, guardian.secret, contract.id, "certificate", uploaded)
            assert spent.value.kind == "unreadable"
        running.clock.advance(timedelta(hours=1))
        await guardian.enter()
        await attach(services, guardian.secret, contract.id, "certificate", photo())


async def test_a_contract_has_a_bounded_number_of_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of those that others have replaced: each is stored until a backup has passed."""
    monkeypatch.setattr("hub.lifecycle.contract.give_answers.MAX_UPLOADS", 2)
    async with quiet_hub() as running:
        contract = await running.issue_minor(template="safety-notice", companions=(), send="none")
        guardian, services = await person(running, contract), running.hub.services
        await guardian.enter()
        for _ in range(2):
            await attach(services, guardian.secret, contract.id, "certificate", photo())
        with pytest.raises(ManyAttachments):
            await attach(services, guardian.secret, contract.id, "certificate", photo())


async def test_simultaneous_uploads_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.lifecycle.contract.give_answers.MAX_UPLOADS", 1)
    async with quiet_hub() as running:
        contract = await running.issue_minor(template="safety-notice", companions=(), send="none")
        guardian, services = await person(running, contract), running.hub.services
        await guardian.enter()
        sent = [attach(services, guardian.secret, contract.id, "certificate", photo()) for _ in range(3)]
        given = await asyncio.gather(*sent, return_exceptions=True)
        assert sorted(type(each).__name__ for each in given) == ["Attachment", "ManyAttachments", "ManyAttachments"]
