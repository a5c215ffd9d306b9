"""What the verbs of a contract's life work with: put together once by `hub.wiring`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from channels import Door
from hub.alerts import Addressee
from hub.attestations import Attestors
from hub.authorities import Authority
from hub.authorities.brought import SignerTrust
from hub.authorities.builtin import BuiltinAuthority
from hub.authorities.revocation import RevocationLists
from hub.documents.contract_data import SchoolFacts
from hub.documents.engine import PdfEngine
from hub.documents.layout import ContractPrinter
from hub.documents.pages import PagePainter
from hub.identity import IdentityProvider
from hub.identity.roster import RosterIdentity
from hub.model.contract.signer import Representative
from hub.model.evidence.retention import Retention
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.cooldown import Cooldowns
from hub.model.messaging.message import MessageTemplates
from hub.model.reminders.policy import ReminderPolicy
from hub.model.signing.authority_choice import AuthorityRule
from hub.router.router import Router
from hub.store.kernel.files import Files
from hub.store.kernel.keys import Keys
from hub.store.transaction import Database
from hub.timestamps import TimestampAuthority
from hub.tokens import SigningKey

Randomness = Callable[[int], bytes]


@dataclass(frozen=True)
class SealKey:
    """The school's seal: its key, its certificate chain (DER, its own first), and whether the key is on the school's
    token or at a remote service."""

    key: SigningKey
    chain: tuple[bytes, ...]
    organisation: str
    remote: bool = False


@dataclass(frozen=True)
class Authorities:
    """All that are configured, and the built-in one, by name. `default` is asked where no rule fits."""

    by_name: Mapping[str, Authority]
    default: str
    rules: tuple[AuthorityRule, ...] = ()
    cooldowns: Cooldowns = field(default_factory=Cooldowns)


@dataclass(frozen=True)
class DocumentServices:
    """What makes, shows and keeps documents. `school` is party A on paper; `school_called` gives the short name for
    messages and pages in a language."""

    school: SchoolFacts
    school_called: Callable[[str], str]
    printer: ContractPrinter
    pages: PagePainter
    pdf_engine: PdfEngine
    representatives: tuple[Representative, ...] = ()
    retention: Retention = field(default_factory=Retention)


@dataclass(frozen=True)
class MessagingServices:
    """What sends messages, to signers and to staff, and limits them."""

    router: Router
    policy: ReminderPolicy
    budgets: BudgetLimits
    messages: MessageTemplates
    doors: dict[str, Door]
    addressees: tuple[Addressee, ...] = ()


@dataclass(frozen=True)
class SigningServices:
    """What identifies signers and certifies their keys.

    `identity` compares what signers enter; `real_names` is asked afterwards whether what is on file is true.
    """

    keys: Keys
    randomness: Randomness
    identity: RosterIdentity
    real_names: IdentityProvider | None
    authorities: Authorities
    signer_trust: SignerTrust
    revocation: RevocationLists
    attestors: Attestors = field(default_factory=dict)


@dataclass(frozen=True)
class SealingServices:
    """What finishes a signed contract. `authority` is the built-in one; one finished file of `full_check_every` is
    checked in full, beside the quick check."""

    seal: SealKey
    timestamps: TimestampAuthority
    authority: BuiltinAuthority
    authority_name: str
    full_check_every: int = 1


@dataclass(frozen=True)
class Services:
    """What everything needs, and the services of each room.

    `clock` is real time: certificates, timestamps, sessions and codes go by it; planning time is `tx.planning_now`.
    """

    database: Database
    files: Files
    clock: Callable[[], datetime]
    origin: str
    documents: DocumentServices
    messaging: MessagingServices
    signing: SigningServices
    sealing: SealingServices
