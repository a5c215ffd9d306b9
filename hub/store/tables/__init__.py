"""The tables. Rows stay inside `hub.store`; outside there are the frozen dataclasses of `hub.model`.

Every table that belongs to a campus carries `campus`, which row-level security compares with the unit's scope.
Columns named `*_sealed` are encrypted (AES-GCM); `*_hash` are keyed hashes by which sealed values are found.
"""

from hub.store.tables.channels import (
    AlertRow,
    BudgetRow,
    CallbackRow,
    ChatAccountRow,
    InboundMessageRow,
    OptOutRow,
    ProviderLaneRow,
    ProviderRow,
)
from hub.store.tables.columns import metadata, table_of
from hub.store.tables.contracts import ContractNumberRow, ContractRow, DocumentVersionRow, SignerRow, SigningTaskRow
from hub.store.tables.desk import (
    ApiKeyRow,
    IdempotencyRow,
    JobStartRow,
    LoginFailureRow,
    StaffRow,
    StaffSessionRow,
    StaffTaskRow,
)
from hub.store.tables.messages import DeliveryRow, DeliveryShareRow, OutboxMessageRow, ReminderEntryRow
from hub.store.tables.operations import DutyRow, SchemaRow, WorkerHeartbeatRow
from hub.store.tables.records import PersonalValueRow, RecordEntryRow, RecordHeadRow
from hub.store.tables.school import (
    CampusRow,
    CourseRow,
    DemoClockRow,
    EnrolmentRow,
    InstallationRow,
    ManyRemindedRow,
    ReminderPolicyRow,
    SchoolDayRow,
)
from hub.store.tables.signing import (
    AppKeyRow,
    AttemptRow,
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
from hub.store.tables.visitors import PhoneChangeRow, PosterRow, PosterScanRow, VisitorRow

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
    "SchemaRow",
    "SchoolDayRow",
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
