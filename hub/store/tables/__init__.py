"""The tables. Their rows are used inside `hub.store` only; it returns the frozen dataclasses of `hub.model`.

Each table that belongs to a campus has a column `campus`, which row-level security compares with the transaction's
scope. Columns named `*_sealed` are encrypted (AES-GCM); `*_hash` are keyed hashes by which encrypted values are found.
"""

from hub.store.tables.columns import metadata, table_of
from hub.store.tables.contract import ContractNumberRow, ContractRow, DocumentVersionRow, SignerRow, SigningTaskRow
from hub.store.tables.evidence import PersonalValueRow, RecordEntryRow, RecordHeadRow
from hub.store.tables.inbound import CallbackRow, InboundMessageRow
from hub.store.tables.messaging import (
    BudgetRow,
    DeliveryRow,
    DeliveryShareRow,
    OptOutRow,
    OutboxMessageRow,
    ProviderLaneRow,
    ProviderRow,
)
from hub.store.tables.reminders import ManyRemindedRow, ReminderEntryRow, ReminderPolicyRow
from hub.store.tables.school import (
    CampusRow,
    CourseRow,
    EnrolmentRow,
    PosterRow,
    PosterScanRow,
    RosterTitlesRow,
    RosterUploadRow,
    SchoolDayRow,
    VisitorRow,
)
from hub.store.tables.sealing import AttemptRow
from hub.store.tables.server import (
    DemoClockRow,
    DutyRow,
    InstallationRow,
    JobStartRow,
    RestoredDeliveryRow,
    SchemaRow,
    SendingPauseRow,
    WorkerHeartbeatRow,
)
from hub.store.tables.signing import (
    AppKeyRow,
    IdentityCheckRow,
    IssuedCertificateRow,
    OneTimeCodeRow,
    PageSeenRow,
    PairingRow,
    PasskeyRow,
    SignatureRequestRow,
    SigningSessionRow,
    SignLinkRow,
    WrongAnswerRow,
)
from hub.store.tables.staff import (
    AlertRow,
    ApiKeyRow,
    ChatAccountRow,
    IdempotencyRow,
    LoginFailureRow,
    PhoneChangeRow,
    StaffRow,
    StaffSessionRow,
    StaffTaskRow,
)

__all__ = [
    "AlertRow",
    "ApiKeyRow",
    "AppKeyRow",
    "AttemptRow",
    "BudgetRow",
    "CallbackRow",
    "CampusRow",
    "ChatAccountRow",
    "ContractNumberRow",
    "ContractRow",
    "CourseRow",
    "DeliveryRow",
    "DeliveryShareRow",
    "DemoClockRow",
    "DocumentVersionRow",
    "DutyRow",
    "EnrolmentRow",
    "IdempotencyRow",
    "IdentityCheckRow",
    "InboundMessageRow",
    "InstallationRow",
    "IssuedCertificateRow",
    "JobStartRow",
    "LoginFailureRow",
    "ManyRemindedRow",
    "OneTimeCodeRow",
    "OptOutRow",
    "OutboxMessageRow",
    "PageSeenRow",
    "PairingRow",
    "PasskeyRow",
    "PersonalValueRow",
    "PhoneChangeRow",
    "PosterRow",
    "PosterScanRow",
    "ProviderLaneRow",
    "ProviderRow",
    "RecordEntryRow",
    "RecordHeadRow",
    "ReminderEntryRow",
    "ReminderPolicyRow",
    "RestoredDeliveryRow",
    "RosterTitlesRow",
    "RosterUploadRow",
    "SchemaRow",
    "SchoolDayRow",
    "SendingPauseRow",
    "SignLinkRow",
    "SignatureRequestRow",
    "SignerRow",
    "SigningSessionRow",
    "SigningTaskRow",
    "StaffRow",
    "StaffSessionRow",
    "StaffTaskRow",
    "VisitorRow",
    "WorkerHeartbeatRow",
    "WrongAnswerRow",
    "metadata",
    "table_of",
]
