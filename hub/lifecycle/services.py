"""What the verbs of a contract's life work with: put together once by `hub.wiring`, and passed to every one of them."""

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
from hub.router import Router
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
class Services:
    """`clock` is real time: certificates, timestamps, sessions and codes go by it; planning time is `tx.planning_now`.

    `identity` compares what signers enter; `real_names` is asked afterwards whether what is on file is true.
    `authority` is the built-in one, `authorities` are all that certify signers' keys.

    `full_check_every`: one finished file of so many is checked in full, beside the quick check.

    `school` is party A on paper; `school_called` gives the short name for messages and pages in a language.
    """

    database: Database
    files: Files
    keys: Keys
    clock: Callable[[], datetime]
    randomness: Randomness
    origin: str
    school: SchoolFacts
    school_called: Callable[[str], str]
    printer: ContractPrinter
    pages: PagePainter
    pdf_engine: PdfEngine
    messages: MessageTemplates
    policy: ReminderPolicy
    budgets: BudgetLimits
    authority: BuiltinAuthority
    authority_name: str
    authorities: Authorities
    signer_trust: SignerTrust
    revocation: RevocationLists
    timestamps: TimestampAuthority
    seal: SealKey
    identity: RosterIdentity
    real_names: IdentityProvider | None
    router: Router
    doors: dict[str, Door]
    addressees: tuple[Addressee, ...] = ()
    retention: Retention = field(default_factory=Retention)
    representatives: tuple[Representative, ...] = ()
    attestors: Attestors = field(default_factory=dict)
    full_check_every: int = 1
