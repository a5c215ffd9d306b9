"""All repositories of the store, on one connection. Each is built when it is first used."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from hub.model.staff.accounts import Scope
from hub.store.contract.answers import ContractAnswers
from hub.store.contract.cases import Cases
from hub.store.contract.contracts import Contracts
from hub.store.contract.document_sets import DocumentSets
from hub.store.contract.tasks import Tasks
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
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.connection import Connection
from hub.store.kernel.heartbeats import Heartbeats
from hub.store.kernel.jobs import Jobs
from hub.store.kernel.keys import Keys
from hub.store.kernel.operator_figures import OperatorFigures
from hub.store.kernel.task_times import TaskTimes
from hub.store.messaging.budgets import Budgets
from hub.store.messaging.deliveries import Deliveries
from hub.store.messaging.delivery_items import Shares
from hub.store.messaging.message_facts import MessageFactsReader
from hub.store.messaging.opt_outs import OptOuts
from hub.store.messaging.pause import SendingPauses
from hub.store.messaging.providers import Providers
from hub.store.messaging.reported_deliveries import ReportedDeliveries
from hub.store.reminders.bulk import BulkReminders
from hub.store.reminders.due_steps import DueSteps
from hub.store.reminders.ledger import Reminders
from hub.store.reminders.plans import Plans
from hub.store.reminders.policies import Policies
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
from hub.store.staff.bulk_acts import BulkActs
from hub.store.staff.dashboard import Board
from hub.store.staff.idempotency import Idempotency
from hub.store.staff.phone_changes import PhoneChanges
from hub.store.staff.report_figures import ReportFigures
from hub.store.staff.second_factors import SecondFactors
from hub.store.staff.staff_tasks import StaffTasks
from hub.store.staff.task_assignment import Owners
from hub.store.staff.weekly_reports import WeeklyReports


class Repositories:
    """All repositories of one transaction. `now`: real time. `scope`: the campuses whose rows may be seen."""

    def __init__(self, connection: Connection, cipher: Cipher, keys: Keys, scope: Scope, now: datetime) -> None:
        self.connection = connection
        self.cipher = cipher
        self._keys = keys
        self.scope = scope
        self.now = now

    @cached_property
    def record(self) -> Record:
        return Record(self.connection, self.cipher, self.now)

    @cached_property
    def packages(self) -> EvidencePackages:
        return EvidencePackages(self.connection)

    @cached_property
    def addenda(self) -> EvidenceAddenda:
        return EvidenceAddenda(self.connection)

    @cached_property
    def notary_receipts(self) -> NotaryReceipts:
        return NotaryReceipts(self.connection)

    @cached_property
    def trees(self) -> HashTrees:
        return HashTrees(self.connection)

    @cached_property
    def holds(self) -> LegalHolds:
        return LegalHolds(self.connection)

    @cached_property
    def renewals(self) -> Renewals:
        return Renewals(self.connection)

    @cached_property
    def contracts(self) -> Contracts:
        return Contracts(self.connection, self.cipher)

    @cached_property
    def cases(self) -> Cases:
        return Cases(self.connection, self.contracts, self.record)

    @cached_property
    def sets(self) -> DocumentSets:
        return DocumentSets(self.connection, self.contracts)

    @cached_property
    def answers(self) -> ContractAnswers:
        return ContractAnswers(self.connection, self.cipher, self.contracts)

    @cached_property
    def tasks(self) -> Tasks:
        return Tasks(self.connection)

    @cached_property
    def links(self) -> Links:
        return Links(self.connection, self._keys)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.connection)

    @cached_property
    def signatures(self) -> Signatures:
        return Signatures(self.connection)

    @cached_property
    def certificates(self) -> Certificates:
        return Certificates(self.connection)

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.connection, self.cipher)

    @cached_property
    def reported_deliveries(self) -> ReportedDeliveries:
        return ReportedDeliveries(self.connection)

    @cached_property
    def message_facts(self) -> MessageFactsReader:
        return MessageFactsReader(self.connection, self.cipher)

    @cached_property
    def shares(self) -> Shares:
        return Shares(self.connection)

    @cached_property
    def stored_files(self) -> StoredFiles:
        return StoredFiles(self.connection)

    @cached_property
    def old_rows(self) -> OldRowStore:
        return OldRowStore(self.connection)

    @cached_property
    def reminders(self) -> Reminders:
        return Reminders(self.connection)

    @cached_property
    def school(self) -> School:
        return School(self.connection, self.cipher)

    @cached_property
    def enrolments(self) -> Enrolments:
        return Enrolments(self.connection, self.cipher, self.scope)

    @cached_property
    def roster_imports(self) -> RosterImports:
        return RosterImports(self.connection)

    @cached_property
    def issue_acts(self) -> IssueActs:
        return IssueActs(self.connection, self.cipher)

    @cached_property
    def report_figures(self) -> ReportFigures:
        return ReportFigures(self.connection)

    @cached_property
    def weekly_reports(self) -> WeeklyReports:
        return WeeklyReports(self.connection, self.cipher)

    @cached_property
    def bulk_acts(self) -> BulkActs:
        return BulkActs(self.connection, self.cipher)

    @cached_property
    def rosters(self) -> Rosters:
        return Rosters(self.connection, self.cipher)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.connection)

    @cached_property
    def second_factors(self) -> SecondFactors:
        return SecondFactors(self.connection, self.cipher)

    @cached_property
    def staff_tasks(self) -> StaffTasks:
        return StaffTasks(self.connection)

    @cached_property
    def api_keys(self) -> ApiKeys:
        return ApiKeys(self.connection, self.now)

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.connection, self.cipher)

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self.connection)

    @cached_property
    def task_times(self) -> TaskTimes:
        return TaskTimes(self.connection)

    @cached_property
    def board(self) -> Board:
        return Board(self.connection, self.cipher)

    @cached_property
    def bulk_reminders(self) -> BulkReminders:
        return BulkReminders(self.connection)

    @cached_property
    def heartbeats(self) -> Heartbeats:
        return Heartbeats(self.connection)

    @cached_property
    def figures(self) -> OperatorFigures:
        return OperatorFigures(self.connection)

    @cached_property
    def owners(self) -> Owners:
        return Owners(self.connection)

    @cached_property
    def providers(self) -> Providers:
        return Providers(self.connection)

    @cached_property
    def budgets(self) -> Budgets:
        return Budgets(self.connection)

    @cached_property
    def callbacks(self) -> Callbacks:
        return Callbacks(self.connection, self.cipher)

    @cached_property
    def inbound(self) -> InboundMessages:
        return InboundMessages(self.connection, self.cipher)

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self.connection)

    @cached_property
    def chats(self) -> Chats:
        return Chats(self.connection)

    @cached_property
    def opt_outs(self) -> OptOuts:
        return OptOuts(self.connection, self.cipher)

    @cached_property
    def pause(self) -> SendingPauses:
        return SendingPauses(self.connection)

    @cached_property
    def pairings(self) -> Pairings:
        return Pairings(self.connection, self.cipher)

    @cached_property
    def passkeys(self) -> Passkeys:
        return Passkeys(self.connection)

    @cached_property
    def app_keys(self) -> AppKeys:
        return AppKeys(self.connection, self.cipher)

    @cached_property
    def phone_changes(self) -> PhoneChanges:
        return PhoneChanges(self.connection, self.cipher)

    @cached_property
    def erasure_requests(self) -> ErasureRequests:
        return ErasureRequests(self.connection, self.cipher)

    @cached_property
    def plans(self) -> Plans:
        return Plans(self.connection)

    @cached_property
    def due_steps(self) -> DueSteps:
        return DueSteps(self.connection, self.contracts, self.record)

    @cached_property
    def policies(self) -> Policies:
        return Policies(self.connection)

    @cached_property
    def posters(self) -> Posters:
        return Posters(self.connection, self._keys)

    @cached_property
    def text_versions(self) -> TextVersions:
        return TextVersions(self.connection)

    @cached_property
    def persons(self) -> PersonRows:
        return PersonRows(self.connection, self.cipher, self.contracts)

    @cached_property
    def person_erasure(self) -> PersonErasure:
        return PersonErasure(self.connection, self.cipher)

    @cached_property
    def visitors(self) -> Visitors:
        return Visitors(self.connection, self.cipher)

    @cached_property
    def seals(self) -> Seals:
        return Seals(self.connection)

    @cached_property
    def sm2_seals(self) -> Sm2Seals:
        return Sm2Seals(self.connection, self.cipher)

    @cached_property
    def seal_register(self) -> SealRegister:
        return SealRegister(self.connection)

    @cached_property
    def seal_jobs(self) -> SealJobs:
        return SealJobs(self.connection)
