"""All repositories of the store, on one connection. Each is built when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from hub.model.staff.scope import Scope
from hub.store.board.bulk_acts import BulkActs
from hub.store.board.dashboard import Board
from hub.store.contract.answers import ContractAnswers
from hub.store.contract.cases import Cases
from hub.store.contract.contracts import Contracts
from hub.store.contract.tasks import Tasks
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys
from hub.store.evidence.addenda import EvidenceAddenda
from hub.store.evidence.erasure_requests import ErasureRequests
from hub.store.evidence.legal_holds import LegalHolds
from hub.store.evidence.notary_receipts import NotaryReceipts
from hub.store.evidence.old_rows import OldRowStore
from hub.store.evidence.packages import EvidencePackages
from hub.store.evidence.person_erasure import PersonErasure
from hub.store.evidence.person_rows import PersonRows
from hub.store.evidence.record import Record
from hub.store.evidence.renewals import Renewals
from hub.store.evidence.stored_files import StoredFiles
from hub.store.evidence.trees import HashTrees
from hub.store.inbound.callbacks import Callbacks
from hub.store.inbound.chat_accounts import Chats
from hub.store.inbound.inbound_sms import InboundMessages
from hub.store.kernel.connection import Connection
from hub.store.messaging.budgets import Budgets
from hub.store.messaging.deliveries import Deliveries
from hub.store.messaging.deliveries_to_send import DeliveriesToSend
from hub.store.messaging.delivery_items import DeliveryItems
from hub.store.messaging.message_facts import MessageFactsReader
from hub.store.messaging.opt_outs import OptOuts
from hub.store.messaging.pause import SendingPauses
from hub.store.messaging.providers import Providers
from hub.store.messaging.reported_deliveries import ReportedDeliveries
from hub.store.operation.failed_jobs import FailedJobs
from hub.store.operation.heartbeats import Heartbeats
from hub.store.operation.jobs import Jobs
from hub.store.operation.operator_figures import OperatorFigures
from hub.store.operation.task_times import TaskTimes
from hub.store.reminders.bulk_reminders import BulkReminders
from hub.store.reminders.due_steps import DueSteps
from hub.store.reminders.ledger import Reminders
from hub.store.reminders.plans import Plans
from hub.store.reminders.policies import Policies
from hub.store.reports.report_figures import ReportFigures
from hub.store.reports.weekly_reports import WeeklyReports
from hub.store.school.campuses import School
from hub.store.school.enrolments import Enrolments
from hub.store.school.guests import Visitors
from hub.store.school.issue_acts import IssueActs
from hub.store.school.posters import Posters
from hub.store.school.roster_imports import RosterImports
from hub.store.school.rosters import Rosters
from hub.store.school.text_versions import TextVersions
from hub.store.sealing.seal_jobs import SealJobs
from hub.store.sealing.seal_register import SealRegister
from hub.store.sealing.seals import Seals
from hub.store.sealing.sm2_seals import Sm2Seals
from hub.store.signing.device_keys import AppKeys
from hub.store.signing.issued_certificates import Certificates
from hub.store.signing.links import Links
from hub.store.signing.pairings import Pairings
from hub.store.signing.passkeys import Passkeys
from hub.store.signing.sessions import Sessions
from hub.store.signing.signature_requests import Signatures
from hub.store.staff.accounts import Accounts
from hub.store.staff.alerts import Alerts
from hub.store.staff.api_keys import ApiKeys
from hub.store.staff.idempotency import Idempotency
from hub.store.staff.phone_changes import PhoneChanges
from hub.store.staff.second_factors import SecondFactors
from hub.store.staff.staff_tasks import StaffTasks
from hub.store.staff.task_assignment import Owners

R = TypeVar("R")


def _lazy(build: Callable[[Repositories], R]) -> cached_property[R]:
    """Return a property with a repository that `build` makes when it is first used."""
    return cached_property(build)


class Repositories:
    """All repositories of one transaction. `now`: real time. `scope`: the campuses whose rows may be seen."""

    def __init__(self, connection: Connection, cipher: Cipher, keys: Keys, scope: Scope, now: datetime) -> None:
        self.connection = connection
        self.cipher = cipher
        self._keys = keys
        self.scope = scope
        self.now = now

    record = _lazy(lambda tx: Record(tx.connection, tx.cipher, tx.now))
    packages = _lazy(lambda tx: EvidencePackages(tx.connection))
    addenda = _lazy(lambda tx: EvidenceAddenda(tx.connection))
    notary_receipts = _lazy(lambda tx: NotaryReceipts(tx.connection))
    trees = _lazy(lambda tx: HashTrees(tx.connection))
    holds = _lazy(lambda tx: LegalHolds(tx.connection))
    renewals = _lazy(lambda tx: Renewals(tx.connection))
    contracts = _lazy(lambda tx: Contracts(tx.connection, tx.cipher))
    cases = _lazy(lambda tx: Cases(tx.connection, tx.contracts, tx.record))
    answers = _lazy(lambda tx: ContractAnswers(tx.connection, tx.cipher, tx.contracts))
    tasks = _lazy(lambda tx: Tasks(tx.connection))
    links = _lazy(lambda tx: Links(tx.connection, tx._keys))
    sessions = _lazy(lambda tx: Sessions(tx.connection))
    signatures = _lazy(lambda tx: Signatures(tx.connection, tx.record))
    certificates = _lazy(lambda tx: Certificates(tx.connection))
    deliveries = _lazy(lambda tx: Deliveries(tx.connection, tx.cipher))
    pause = _lazy(lambda tx: SendingPauses(tx.connection))
    deliveries_to_send = _lazy(lambda tx: DeliveriesToSend(tx.connection, tx.deliveries, tx.links, tx.pause))
    reported_deliveries = _lazy(lambda tx: ReportedDeliveries(tx.connection))
    message_facts = _lazy(lambda tx: MessageFactsReader(tx.connection, tx.cipher, tx.pause))
    shares = _lazy(lambda tx: DeliveryItems(tx.connection))
    stored_files = _lazy(lambda tx: StoredFiles(tx.connection))
    old_rows = _lazy(lambda tx: OldRowStore(tx.connection))
    reminders = _lazy(lambda tx: Reminders(tx.connection))
    school = _lazy(lambda tx: School(tx.connection, tx.cipher))
    enrolments = _lazy(lambda tx: Enrolments(tx.connection, tx.cipher, tx.scope))
    roster_imports = _lazy(lambda tx: RosterImports(tx.connection))
    issue_acts = _lazy(lambda tx: IssueActs(tx.connection, tx.cipher))
    report_figures = _lazy(lambda tx: ReportFigures(tx.connection))
    weekly_reports = _lazy(lambda tx: WeeklyReports(tx.connection, tx.cipher))
    bulk_acts = _lazy(lambda tx: BulkActs(tx.connection, tx.cipher))
    rosters = _lazy(lambda tx: Rosters(tx.connection, tx.cipher))
    accounts = _lazy(lambda tx: Accounts(tx.connection, tx.cipher))
    second_factors = _lazy(lambda tx: SecondFactors(tx.connection, tx.cipher))
    staff_tasks = _lazy(lambda tx: StaffTasks(tx.connection))
    api_keys = _lazy(lambda tx: ApiKeys(tx.connection))
    idempotency = _lazy(lambda tx: Idempotency(tx.connection, tx.cipher))
    jobs = _lazy(lambda tx: Jobs(tx.connection))
    failed_jobs = _lazy(lambda tx: FailedJobs(tx.connection))
    task_times = _lazy(lambda tx: TaskTimes(tx.connection))
    board = _lazy(lambda tx: Board(tx.connection, tx.cipher))
    bulk_reminders = _lazy(lambda tx: BulkReminders(tx.connection))
    heartbeats = _lazy(lambda tx: Heartbeats(tx.connection))
    figures = _lazy(lambda tx: OperatorFigures(tx.connection))
    owners = _lazy(lambda tx: Owners(tx.connection))
    providers = _lazy(lambda tx: Providers(tx.connection))
    budgets = _lazy(lambda tx: Budgets(tx.connection, tx.cipher))
    callbacks = _lazy(lambda tx: Callbacks(tx.connection, tx.cipher))
    inbound = _lazy(lambda tx: InboundMessages(tx.connection, tx.cipher))
    alerts = _lazy(lambda tx: Alerts(tx.connection))
    chats = _lazy(lambda tx: Chats(tx.connection))
    opt_outs = _lazy(lambda tx: OptOuts(tx.connection, tx.cipher))
    pairings = _lazy(lambda tx: Pairings(tx.connection, tx.cipher))
    passkeys = _lazy(lambda tx: Passkeys(tx.connection))
    app_keys = _lazy(lambda tx: AppKeys(tx.connection, tx.cipher))
    phone_changes = _lazy(lambda tx: PhoneChanges(tx.connection, tx.cipher))
    erasure_requests = _lazy(lambda tx: ErasureRequests(tx.connection, tx.cipher))
    plans = _lazy(lambda tx: Plans(tx.connection))
    due_steps = _lazy(lambda tx: DueSteps(tx.connection, tx.contracts, tx.record))
    policies = _lazy(lambda tx: Policies(tx.connection))
    posters = _lazy(lambda tx: Posters(tx.connection, tx._keys))
    text_versions = _lazy(lambda tx: TextVersions(tx.connection))
    persons = _lazy(lambda tx: PersonRows(tx.connection, tx.cipher, tx.contracts))
    person_erasure = _lazy(lambda tx: PersonErasure(tx.connection, tx.cipher))
    visitors = _lazy(lambda tx: Visitors(tx.connection, tx.cipher))
    seals = _lazy(lambda tx: Seals(tx.connection))
    sm2_seals = _lazy(lambda tx: Sm2Seals(tx.connection, tx.cipher))
    seal_register = _lazy(lambda tx: SealRegister(tx.connection))
    seal_jobs = _lazy(lambda tx: SealJobs(tx.connection))
