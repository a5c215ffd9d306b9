"""Requests and answers of the integration API as pydantic models. Field names are public and must not change.

Unknown fields are refused, so that misspelt ones are noticed. The descriptions appear in the OpenAPI document.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from hub.model.contract.contract import ContractState
from hub.model.contract.contract_copy import MAX_COPIES, CopyRole
from hub.model.contract.own_document import MAX_TITLE_LENGTH
from hub.model.contract.person import IdType
from hub.model.contract.signer import Role, TaskState
from hub.model.messaging.delivery import DeliveryState
from hub.model.reminders.schedule import StepKind
from hub.model.school.course import MAX_COMPANIONS
from hub.model.signing.signature_request import Custody

NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_CONTROLS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=NO_CONTROLS)]
Reason = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*\S[^\x00-\x08\x0b-\x1f\x7f]*$"
    ),
]
PlaceName = Annotated[str, StringConstraints(pattern=r"^(seal|(student|guardian|representative)-[1-9])$")]


class ChannelName(StrEnum):
    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"


class DoorName(StrEnum):
    QR = "qr"
    APPLINK = "applink"
    COPY = "copy"


class ApiRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ApiAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Answer = TypeVar("Answer", bound=ApiAnswer)


def pick(model: type[Answer], source: object, **others: object) -> Answer:
    """Return an answer with these other values, and with those of the source that have the same names as its fields."""
    names = model.model_fields.keys() - others.keys()
    return model(**{name: getattr(source, name) for name in names}, **others)


# ---- taken


class StudentAsked(ApiRequest):
    name: Name
    id_type: IdType = Field(IdType.CN_ID, description="Kind of identity document.")
    id_number: Words
    birth_date: date | None = Field(
        None, description="From 1900 to today. Required if the document number lacks it, refused if it contradicts it."
    )


class SignerAsked(ApiRequest):
    role: Role = Field(description="A `student` is the contract's student. Others are adults, and not the student.")
    name: Name
    phone: Words = Field(description="Mobile number; Chinese if it has no country code.", examples=["+8619000000101"])
    email: Words | None = Field(None, description="Required for the channel `email`.")
    id_type: IdType = Field(IdType.CN_ID, description="Kind of identity document.")
    id_number: Words
    relation: Words | None = Field(None, description="A guardian's relation to the student, as the contract shows it.")
    order: int = Field(1, ge=1, le=99, description="Lower numbers sign first; equal numbers in any order.")
    language: Literal["zh", "en"] = "zh"
    channels: list[ChannelName] = Field(
        [ChannelName.SMS], min_length=1, max_length=3, description="Tried in this order."
    )


class CopyAsked(ApiRequest):
    """Somebody besides the signers who gets the completed contract by e-mail."""

    role: CopyRole = Field(
        description="A `student` or `guardian` gets a link that asks for the end of the student's document number; an "
        "`office` or `address` of the school gets a link to the console."
    )
    email: Words
    name: Name | None = None
    language: Literal["zh", "en"] = "zh"


class DocumentAsked(ApiRequest):
    """A PDF of the school's own in place of a template, uploaded by `keepDocument`."""

    document: Words = Field(description="As returned by `keepDocument` within the last day.")
    title: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_LENGTH, pattern=NO_CONTROLS)]
    places: dict[PlaceName, Words] = Field(
        min_length=2,
        max_length=9,
        description="Where each signature is shown, for each signer (`guardian-1`, `student-1`, …) and "
        "for `seal`: `keyword:WORDS` (centred on these words), `keyword#2:WORDS` (their second occurrence) or "
        "`page:NUMBER,X,Y` in mm from the page's upper left corner.",
    )


class ContractAsked(ApiRequest):
    """Draw and issue one contract."""

    template: Words | None = Field(None, description="By default the course's own, or `course` if it has none.")
    campus: Words = Field(examples=["hefei"])
    course: Words | None = Field(None, description="Required unless the template needs no course.", examples=["math-a"])
    student: StudentAsked
    signers: list[SignerAsked] = Field(
        min_length=1, max_length=8, description="A guardian must sign for a student under 18; else the student signs."
    )
    representative: bool = Field(
        False, description="The school's representative, as configured for this campus, signs too, after the others."
    )
    companions: list[Words] | None = Field(
        None,
        max_length=MAX_COMPANIONS,
        description="Templates of further documents that the same people sign in one visit; by default the course's.",
    )
    document: DocumentAsked | None = Field(None, description="Signed in place of a document drawn from a template.")
    copies: list[CopyAsked] = Field(
        [], max_length=MAX_COPIES, description="More recipients of the completed contract than the template names."
    )
    data: dict[str, JsonValue] = Field({}, description="Further values for a school's own template.")
    deadline: AwareDatetime | None = Field(
        None, description="With a time zone; by default the end of the 30th day from today, at the campus."
    )
    external_id: Words | None = Field(None, description="Your own id of this contract; returned unchanged.")
    send: Literal["now", "policy", "none"] = Field(
        "now", description="`policy` waits for daytime; `none` leaves the first message to you."
    )


class LinkAsked(ApiRequest):
    signer: UUID
    door: DoorName


class VoidAsked(ApiRequest):
    reason: Reason = Field(description="Shown to staff; it is kept with the record, and can be erased.")


class ExtendAsked(ApiRequest):
    deadline: AwareDatetime


class ReissueAsked(ApiRequest):
    """All members are optional. With an empty body the same people sign."""

    signers: list[SignerAsked] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="All signers of the new contract, if one is replaced. The student stays the same.",
    )


class PhoneAsked(ApiRequest):
    phone: Words = Field(description="Mobile number; Chinese if it has no country code.", examples=["+8619000000199"])
    reason: Reason = Field(description="For the member of staff who approves it.")


class NothingAsked(ApiRequest):
    """No members; the body may be empty."""


class ListAsked(ApiRequest):
    """The query of the list."""

    state: ContractState | None = None
    campus: Words | None = None
    external_id: Words | None = Field(None, description="Your own id, given when the contract was issued.")
    cursor: Words | None = Field(None, description="`next_cursor` of the previous page.")
    limit: int = Field(50, ge=1, le=200)


# ---- given


class DocumentKept(ApiAnswer):
    document: str = Field(description="Identifies the PDF in `issueContract`.")


class SignerIssued(ApiAnswer):
    id: UUID
    role: Role
    state: TaskState


class ContractIssued(ApiAnswer):
    id: UUID
    number: str
    state: ContractState
    document_sha256: str = Field(description="Lower-case hex, of the issued file with its empty signature fields.")
    ofd_sha256: str | None = Field(description="Lower-case hex, of the OFD as issued; null for a PDF alone.")
    signers: list[SignerIssued]


class NextStepGiven(ApiAnswer):
    """The next automatic step."""

    kind: StepKind
    channel: str | None = Field(description="Null for the expiry, which sends nothing, or if no channel fits.")
    due_at: datetime


class CustodyGiven(ApiAnswer):
    """Custody of the key of a signature: proved, and as claimed by the client."""

    proved: Custody
    claimed: str


class SignerGiven(ApiAnswer):
    id: UUID
    role: Role
    name: str
    order: int
    state: TaskState
    next_step: NextStepGiven | None
    opened_through: str | None = Field(description="The door of the link that led to the first correct code.")
    signed_at: datetime | None
    custody: CustodyGiven | None = Field(description="Of their signature; null until they have signed.")


class DeliveryGiven(ApiAnswer):
    signer: UUID | None
    channel: str
    purpose: str
    state: DeliveryState
    at: datetime


class CopyGiven(ApiAnswer):
    role: CopyRole
    name: str
    email: str = Field(description="Masked.")
    state: DeliveryState | None = Field(description="Of the e-mail; null until it is written.")
    failure: str | None = Field(description="The kind of failure, if the e-mail bounced or was refused.")


class Stuck(ApiAnswer):
    since: datetime
    reason: str


class SetDocument(ApiAnswer):
    """A document of the same set: the same people sign it in the same visit."""

    id: UUID
    number: str
    title: str
    state: ContractState


class ContractFacts(ApiAnswer):
    id: UUID
    number: str
    state: ContractState
    campus: str
    course: str | None
    title: str
    deadline: datetime
    external_id: str | None
    created_at: datetime
    completed_at: datetime | None


class ContractGiven(ContractFacts):
    document_sha256: str
    ofd_sha256: str | None = Field(description="Of the OFD as issued; null for a contract that is issued as PDF alone.")
    reason: str | None = Field(description="Why it ended, if it was not completed.")
    stuck: Stuck | None = Field(description="Signed by all, but the hub could not finish it yet; it keeps trying.")
    replaces: UUID | None
    replaced_by: UUID | None
    companions: list[SetDocument] = Field(description="The other documents of its set, as they were issued.")
    signers: list[SignerGiven]
    deliveries: list[DeliveryGiven]
    copies: list[CopyGiven] = Field(description="Who else gets the completed contract.")


class ContractListed(ContractFacts):
    readable: bool = Field(description="False if its data was encrypted with another key; nothing can be done with it.")


class ContractPage(ApiAnswer):
    items: list[ContractListed]
    next_cursor: str | None


class LinkGiven(ApiAnswer):
    """A link. Requests for the same signer and door return the same link."""

    url: str
    short_code: str
    qr_svg: str | None
    app_url: str | None
    expires_at: datetime | None


class PhoneChangeGiven(ApiAnswer):
    """The phone number is not changed yet: the request is the first approval, a member of staff gives the second."""

    state: Literal["waiting-for-approval"]
    id: UUID


class Reminded(ApiAnswer):
    deliveries: list[DeliveryGiven]


class LedgerEntry(ApiAnswer):
    signer: UUID | None
    kind: str = Field(description="planned, sent, skipped, failed, receipt, opened or stopped")
    step: str | None
    number: int
    due_at: datetime | None
    at: datetime
    reason: str | None
    delivery: UUID | None


class Ledger(ApiAnswer):
    entries: list[LedgerEntry]


class WordsGiven(ApiAnswer):
    """A text written by a person. The entry's `facts` hold a commitment in its place: HMAC-SHA-256 with a salt that is
    stored with the text, and erased with it."""

    sequence: int
    fact: str
    committed: str
    text: str | None = Field(description="Null after it was erased.")


class RecordEntryGiven(ApiAnswer):
    """`digest` = SHA-256 over the canonical JSON (sorted keys, no spaces, UTF-8) of contract, sequence, at, kind,
    actor, facts and previous, each as given here.
    """

    contract: UUID
    sequence: int
    at: str = Field(description="UTC with microseconds, exactly as it is hashed.")
    kind: str
    actor: str
    facts: dict[str, Any]
    previous: str
    digest: str


class RecordGiven(ApiAnswer):
    entries: list[RecordEntryGiven]
    words: list[WordsGiven] = Field(description="The texts behind the `committed` values in the facts of the entries.")
    broken_at: int | None = Field(description="The first entry that breaks the chain; null if the chain is intact.")


class SentenceGiven(ApiAnswer):
    zh: str
    en: str


class FileChecked(ApiAnswer):
    file: str = Field(description="The name of the file, if the request has one; of two files, that of the package.")
    readable: bool = Field(description="Whether it is a PDF, an OFD or an evidence package at all.")
    failed: bool
    is_package: bool = Field(description="Whether it is an evidence package.")
    verdict: list[SentenceGiven] = Field(description="The result in one sentence or a few.")
    report: dict[str, Any] = Field(description="The whole report, as `qianda verify --json` prints it.")


class Problem(BaseModel):
    """A refusal in the form of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: bool = Field(description="Whether the very same request can succeed later.")
    request_id: str = Field(description="The hub's name for this request, as in the header `X-Request-Id` and its log.")
    field: str | None = Field(None, description="The part of the request that is wrong, e.g. `signers[0].phone`.")
