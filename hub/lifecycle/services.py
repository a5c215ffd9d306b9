"""The services that the verbs of a contract's life need. `hub.wiring` builds them once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from channels import Door
from hub.alerts import Addressee
from hub.attestations import Attestors
from hub.authorities import Authority
from hub.authorities.brought import SignerTrust
from hub.authorities.builtin import BuiltinAuthority
from hub.authorities.revocation import RevocationClient
from hub.documents.contract.contract_data import SchoolFacts
from hub.documents.contract.layout import ContractPrinter
from hub.documents.contract.own_pdf import OwnPdfReader
from hub.documents.pages import PagePainter
from hub.documents.sealing.seal_upload import PictureReader
from hub.documents.signing.attachment_upload import AttachmentReader
from hub.documents.signing.engine import PdfEngine
from hub.identity import IdentityProvider
from hub.identity.roster import RosterIdentity
from hub.model.contract.signer import Representative
from hub.model.evidence.retention import Retention
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.cooldown import Cooldowns
from hub.model.messaging.message import MessageTemplates
from hub.model.reminders.policy import ReminderPolicy
from hub.model.sealing.webhook import WebhookAddress
from hub.model.signing.authority_choice import AuthorityRule
from hub.model.signing.page_fetches import PageFetches
from hub.model.signing.signature_plan import SignaturePlans
from hub.model.signing.signature_request import Custody
from hub.model.staff.password_cost import PasswordCost
from hub.notaries import Notary
from hub.router.message_texts import MessageTexts
from hub.router.router import Router
from hub.store.encryption.keys import Keys
from hub.store.files.content_addressed import Files
from hub.store.files.object_places import ObjectPlace
from hub.store.sealing.job_files import SealJobFiles
from hub.store.transaction import Database
from hub.timestamps import TimestampAuthority
from hub.tokens import KeyToken, SigningKey

if TYPE_CHECKING:  # loads the PDF libraries
    from hub.documents.sealing.file_sealer import FileSealer

Randomness = Callable[[int], bytes]


@dataclass(frozen=True)
class SealKey:
    """A seal's key and its certificate chain (DER, the seal's own certificate first).

    `remote`: a remote signing service keeps the key. `software`: the key is encrypted in the data folder. If neither is
    set, the key is on the school's token. `picture`: a PDF; None to draw it from the organisation's name.
    """

    key: SigningKey
    chain: tuple[bytes, ...]
    organisation: str
    remote: bool = False
    software: bool = False
    picture: bytes | None = None

    @property
    def custody(self) -> str:
        """Where the key is, in the words of the record."""
        if self.remote:
            return Custody.REMOTE.value
        return "school-software" if self.software else "token"


@dataclass(frozen=True)
class Authorities:
    """The configured authorities and the built-in one, by name. `default` issues certificates where no rule applies."""

    by_name: Mapping[str, Authority]
    default: str
    rules: tuple[AuthorityRule, ...] = ()
    cooldowns: Cooldowns = field(default_factory=Cooldowns)


@dataclass(frozen=True)
class DocumentServices:
    """The services that make, show and keep documents.

    `school` is party A of each contract; `school_called` returns the school's short name in a language, for messages
    and pages.
    """

    school: SchoolFacts
    school_called: Callable[[str], str]
    printer: ContractPrinter
    pages: PagePainter
    pdf_engine: PdfEngine
    seal_pictures: PictureReader
    attachments: AttachmentReader
    own_pdfs: OwnPdfReader
    representatives: tuple[Representative, ...] = ()
    retention: Retention = field(default_factory=Retention)


@dataclass(frozen=True)
class MessagingServices:
    """The services that send messages to signers and staff, and the limits on them. `offices`: e-mail addresses of the
    offices that get copies, by campus."""

    router: Router
    policy: ReminderPolicy
    budgets: BudgetLimits
    texts: MessageTexts
    doors: dict[str, Door]
    addressees: tuple[Addressee, ...] = ()
    offices: Mapping[str, str] = field(default_factory=dict)

    @property
    def messages(self) -> MessageTemplates:
        return self.texts.current


@dataclass(frozen=True)
class SigningServices:
    """The services that identify signers and certify their keys.

    `identity` compares what signers enter with the data on file. `real_names` is then asked whether those data are
    true; None if no outside provider is configured.
    """

    keys: Keys
    randomness: Randomness
    identity: RosterIdentity
    real_names: IdentityProvider | None
    authorities: Authorities
    signer_trust: SignerTrust
    revocation: RevocationClient
    attestors: Attestors = field(default_factory=dict)
    plans: SignaturePlans = field(default_factory=SignaturePlans)
    page_fetches: PageFetches = field(default_factory=PageFetches)


@dataclass(frozen=True)
class SealingServices:
    """The services that finish a signed contract.

    `seal` is the configured seal; the keys of all other seals are on `token`. `authority` is the built-in authority.
    `trust_seal` lets `qianda verify` accept a seal's certificates (DER, its own first). Every finished file gets a
    quick check, and one file in `full_check_every` a full check as well. `notaries` get the root of each day's hash
    tree.
    """

    seal: SealKey
    timestamps: TimestampAuthority
    authority: BuiltinAuthority
    authority_name: str
    token: KeyToken
    trust_seal: Callable[[Sequence[bytes]], None]
    full_check_every: int = 1
    notaries: Mapping[str, Notary] = field(default_factory=dict)


@dataclass(frozen=True)
class SealFileServices:
    """The services that seal files of other systems. `stores`, `webhooks`: those that are configured, by name.

    `make_sealer` builds the sealer on first use, because the sealer loads the PDF libraries and not every worker needs
    them. `trusted_roots`: DER, those of seal makers; empty if nothing is configured.
    """

    folder: SealJobFiles
    make_sealer: Callable[[], FileSealer]
    stores: Mapping[str, ObjectPlace] = field(default_factory=dict)
    webhooks: Mapping[str, WebhookAddress] = field(default_factory=dict)
    trusted_roots: Sequence[bytes] = ()

    @cached_property
    def sealer(self) -> FileSealer:
        return self.make_sealer()


@dataclass(frozen=True)
class Services:
    """What every verb needs, and the services of each room.

    `clock` returns real time, for certificates, timestamps, sessions and codes. Plans use `tx.planning_now`.
    """

    database: Database
    files: Files
    clock: Callable[[], datetime]
    origin: str
    documents: DocumentServices
    messaging: MessagingServices
    signing: SigningServices
    sealing: SealingServices
    seal_files: SealFileServices
    password_cost: PasswordCost = field(default_factory=PasswordCost)
