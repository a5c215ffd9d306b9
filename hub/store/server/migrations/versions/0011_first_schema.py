"""The schema of 0.2.0: the tables of each room, and the rows that each scope may access.

A migration never changes. Later changes of `hub/store/tables` come with migrations of their own.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from hub.store.server.migrations.rooms import ALL, IN_SCOPE, allow_rows, keep_evidence, read_by_all, run_files, through

revision = "0011"
down_revision = None
branch_labels = None
depends_on = None

OF_A_CAMPUS = (
    "course",
    "enrolment",
    "enrolment_phone",
    "roster_import",
    "issue_act",
    "issue_item",
    "roster_upload",
    "roster_titles",
    "school_day",
    "poster",
    "poster_scan",
    "contract",
    "signer",
    "signing_task",
    "sign_link",
    "delivery",
    "delivery_share",
    "reminder_policy",
    "reminder_entry",
    "many_reminded",
    "staff",
    "api_key",
    "staff_task",
    "alert",
    "phone_change",
    "record_entry",
    "record_head",
    "personal_value",
    "evidence_package",
    "evidence_due",
)
OF_A_CONTRACT = (
    "document_version",
    "signing_session",
    "identity_check",
    "pairing",
    "issued_certificate",
    "signature_request",
    "attempt",
)
OF_STAFF = ("staff_session", "staff_recovery_code", "chat_account")
OF_THE_HUB = (
    "campus",
    "visitor",
    "one_time_code",
    "wrong_answer",
    "passkey",
    "callback",
    "inbound_message",
    "login_failure",
    "duty",
    "row_count",
    "sending_pause",
    "restored_until",
    "restored_delivery",
    "hash_tree",
    "hash_tree_leaf",
)
# They contain no names of people: where the school is, what headquarters decided, whether messages are sent, and which
# key is current, which every transaction asks.
READ_BY_ALL = ("campus", "school_day", "reminder_policy", "sending_pause", "sealing_key")


def upgrade() -> None:
    run_files(Path(__file__).with_name("first_schema"))
    allow_rows(OF_A_CAMPUS, IN_SCOPE)
    # The policies of the other table (`contract`, `signing_task`, `signer`, `staff`) also apply inside these queries.
    for table in OF_A_CONTRACT:
        allow_rows([table], through("contract", f"contract.id = {table}.contract"))
    allow_rows(["page_seen"], through("signing_task", "signing_task.id = page_seen.task"))
    # A key belongs to a person, at whichever campus it was bound: who may see the person may see the key.
    allow_rows(["app_key"], through("signer", "signer.person = app_key.person"))
    for table in OF_STAFF:
        allow_rows([table], through("staff", f"staff.id = {table}.staff"))
    of_a_key = "EXISTS (SELECT 1 FROM api_key WHERE api_key.id = idempotency.owner)"
    allow_rows(["idempotency"], f"{through('staff', 'staff.id = idempotency.owner')} OR {of_a_key}")
    allow_rows(OF_THE_HUB, ALL)
    op.execute("ALTER TABLE sealing_key ENABLE ROW LEVEL SECURITY")
    read_by_all(READ_BY_ALL)
    keep_evidence(("record_entry", "evidence_package", "hash_tree", "hash_tree_leaf"))
