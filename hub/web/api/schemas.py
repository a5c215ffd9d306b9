"""Requests and answers of the integration API as pydantic models. Field names are public and must not change.

Unknown fields are refused, so that misspelt ones are noticed. The descriptions appear in the OpenAPI document.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
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


class _Taken(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# ---- taken


class StudentAsked(_Taken):
    name: Name
    id_type: IdType = Field(IdType.CN_ID, description="Kind of identity document.")
    id_number: Words
    birth_date: date | None = Field(None, description="Needed where the document's number does not say it.")


class SignerAsked(_Taken):
    role: Role = Field(description="A `student` has the name and document of the contract's student, a guardian not.")
    name: Name
    phone: Words = Field(description="Mobile; without a country code it is Chinese.", examples=["+8619000000101"])
    email: Words | None = Field(None, description="Needed for the channel `email`.")
    id_type: IdType = Field(IdType.CN_ID, description="Kind of identity document.")
    id_number: Words
    relation: Words | None = Field(None, description="A guardian's relation to the student, as the contract shows it.")
    order: int = Field(1, ge=1, le=99, description="Lower ones sign first; equal ones in any order.")
    language: Literal["zh", "en"] = "zh"
    channels: list[ChannelName] = Field(
        [ChannelName.SMS], min_length=1, max_length=3, description="Tried in this order."
    )


class CopyAsked(_Taken):
    """Somebody besides the signers who gets the completed contract by e-mail."""

    role: CopyRole = Field(
        description="A `student` or `guardian` gets a link that asks for the end of the student's document number; an "
        "`office` or `address` of the school gets a link to the console."
    )
    email: Words
    name: Name | None = None
    language: Literal["zh", "en"] = "zh"


class DocumentAsked(_Taken):
    """A PDF of the school's own, in place of a template. It was kept by `keepDocument`."""

    document: Words = Field(description="As `keepDocument` returned it, up to a day ago.")
    title: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_LENGTH, pattern=NO_CONTROLS)]
    places: dict[PlaceName, Words] = Field(
        min_length=2,
        max_length=9,
        description="Where each signature shows, for each signer (`guardian-1`, `student-1`, …) and "
        "for `seal`: `keyword:WORDS` (its middle on these words), `keyword#2:WORDS` (their second occurrence) or "
        "`page:NUMBER,X,Y` in mm from the page's upper left corner.",
    )


class ContractAsked(_Taken):
    """Draw and issue one contract."""

    template: Words | None = Field(None, description="By default the course's own, or `course` if it has none.")
    campus: Words = Field(examples=["hefei"])
    course: Words | None = Field(None, description="Required unless the template needs none.", examples=["math-a"])
    student: StudentAsked
    signers: list[SignerAsked] = Field(
        min_length=1, max_length=8, description="Under 18 a guardian must be among them; else the student signs."
    )
    representative: bool = Field(
        False, description="Who is configured to sign for the school at this campus signs as well, after the others."
    )
    companions: list[Words] | None = Field(
        None,
        max_length=MAX_COMPANIONS,
        description="Templates of further documents that the same people sign in one visit; by default the course's.",
    )
    document: DocumentAsked | None = Field(None, description="Signed instead of what a template would give.")
    copies: list[CopyAsked] = Field(
        [], max_length=MAX_COPIES, description="Who else gets the completed contract, besides those of the template."
    )
    data: dict[str, JsonValue] = Field({}, description="Further values for a school's own template.")
    deadline: AwareDatetime | None = Field(None, description="With a zone; 30 days from now when missing.")
    external_id: Words | None = Field(None, description="Your own id of this contract; given back, never checked.")
    send: Literal["now", "policy", "none"] = Field(
        "now", description="`policy` waits for daytime; `none` leaves the first message to you."
    )


class LinkAsked(_Taken):
    signer: UUID
    door: DoorName


class VoidAsked(_Taken):
    reason: Reason = Field(description="Told to staff; it is kept with the record, and can be erased.")


class ExtendAsked(_Taken):
    deadline: AwareDatetime


class ReissueAsked(_Taken):
    """All members are optional. With an empty body the same people sign."""

    signers: list[SignerAsked] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="All who sign the new contract, where somebody takes another's place. The student stays.",
    )


class PhoneAsked(_Taken):
    phone: Words = Field(description="Mobile; without a country code it is Chinese.", examples=["+8619000000199"])
    reason: Reason = Field(description="For the member of staff who approves it.")


class NothingAsked(_Taken):
    """No members; the body may be empty."""


class ListAsked(_Taken):
    """The query of the list."""

    state: ContractState | None = None
    campus: Words | None = None
    cursor: Words | None = Field(None, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=200)


# ---- given


class DocumentKept(_Given):
    document: str = Field(description="Names the PDF in `issueContract`.")


class SignerIssued(_Given):
    id: UUID
    role: Role
    state: TaskState


class ContractIssued(_Given):
    id: UUID
    number: str
    state: ContractState
    document_sha256: str = Field(description="Lower-case hex, of the issued file with its empty signature fields.")
    ofd_sha256: str | None = Field(description="Lower-case hex, of the OFD as issued; null for a PDF alone.")
    signers: list[SignerIssued]


class NextStepGiven(_Given):
    """The next automatic step."""

    kind: StepKind
    channel: str | None = Field(description="Null for the expiry, which sends nothing, or when no channel is there.")
    due_at: datetime


class CustodyGiven(_Given):
    """Custody of the key of a signature: proved, and as claimed by the client."""

    proved: Custody
    claimed: str


class SignerGiven(_Given):
    id: UUID
    role: Role
    name: str
    order: int
    state: TaskState
    next_step: NextStepGiven | None
    opened_through: str | None = Field(description="The door of the first correct code.")
    signed_at: datetime | None
    custody: CustodyGiven | None = Field(description="Of their signature; null before it.")


class DeliveryGiven(_Given):
    signer: UUID | None
    channel: str
    purpose: str
    state: DeliveryState
    at: datetime


class CopyGiven(_Given):
    role: CopyRole
    name: str
    email: str = Field(description="Masked.")
    state: DeliveryState | None = Field(description="Of the e-mail; null while it is not written.")
    failure: str | None = Field(description="The kind of failure, where the e-mail came back or was refused.")


class Stuck(_Given):
    since: datetime
    reason: str


class SetDocument(_Given):
    """A document of the same set: the same people sign it in the same visit."""

    id: UUID
    number: str
    title: str
    state: ContractState


class ContractGiven(_Given):
    id: UUID
    number: str
    state: ContractState
    document_sha256: str
    ofd_sha256: str | None = Field(description="Of the OFD as issued; null for a contract that is issued as PDF alone.")
    campus: str
    course: str | None
    title: str
    deadline: datetime
    external_id: str | None
    created_at: datetime
    completed_at: datetime | None
    reason: str | None = Field(description="Why it ended, where it ended otherwise than by completion.")
    stuck: Stuck | None = Field(description="Signed by all, but the hub could not finish it yet; it goes on trying.")
    replaces: UUID | None
    replaced_by: UUID | None
    companions: list[SetDocument] = Field(description="The other documents of its set, as they were issued.")
    signers: list[SignerGiven]
    deliveries: list[DeliveryGiven]
    copies: list[CopyGiven] = Field(description="Who else gets the completed contract.")


class ContractListed(_Given):
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
    readable: bool = Field(description="False: its data was sealed under another key, and it cannot be worked with.")


class ContractPage(_Given):
    items: list[ContractListed]
    next_cursor: str | None


class LinkGiven(_Given):
    """A link. Requests for the same signer and door return the same link."""

    url: str
    short_code: str
    qr_svg: str | None
    app_url: str | None
    expires_at: datetime | None


class PhoneChangeGiven(_Given):
    """The phone number is not changed yet: the request is the first approval, a member of staff gives the second."""

    state: Literal["waiting-for-approval"]
    id: UUID


class Reminded(_Given):
    deliveries: list[DeliveryGiven]


class LedgerEntry(_Given):
    signer: UUID | None
    kind: str = Field(description="planned, sent, skipped, failed, receipt, opened or stopped")
    step: str | None
    number: int
    due_at: datetime | None
    at: datetime
    reason: str | None
    delivery: UUID | None


class Ledger(_Given):
    entries: list[LedgerEntry]


class WordsGiven(_Given):
    """A text written by a person. The entry's `facts` hold a commitment in its place: HMAC-SHA-256 with a salt that is
    stored with the text, and erased with it."""

    sequence: int
    fact: str
    committed: str
    text: str | None = Field(description="Null once it was erased.")


class RecordEntryGiven(_Given):
    """`digest` = SHA-256 over the canonical JSON (sorted keys, no spaces, UTF-8) of contract, sequence, at, kind,
    actor, facts and previous, each as it stands here.
    """

    contract: UUID
    sequence: int
    at: str = Field(description="UTC with microseconds, exactly as it is hashed.")
    kind: str
    actor: str
    facts: dict[str, Any]
    previous: str
    digest: str


class RecordGiven(_Given):
    entries: list[RecordEntryGiven]
    words: list[WordsGiven] = Field(description="What stands behind each `committed` in the facts of the entries.")
    broken_at: int | None = Field(description="The first entry that does not fit the chain; null when all fit.")


class SentenceGiven(_Given):
    zh: str
    en: str


class FileChecked(_Given):
    file: str = Field(description="The name of the file, where the request has one; of two, that of the package.")
    readable: bool = Field(description="Whether it is a PDF, an OFD or an evidence package at all.")
    failed: bool
    is_package: bool = Field(description="Whether it is an evidence package.")
    verdict: list[SentenceGiven] = Field(description="For somebody who reads no further.")
    report: dict[str, Any] = Field(description="All of the report, as `qianda verify --json` prints it.")


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: bool = Field(description="Whether the very same request can succeed later.")
    request_id: str = Field(description="The hub's name for this request, as in the header `X-Request-Id` and its log.")
    field: str | None = Field(None, description="The part of the request that is to blame, e.g. `signers[0].phone`.")
