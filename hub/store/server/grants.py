"""The rights of the role `app` on each table. It can delete no evidence, and in evidence it can change only columns
about later events, never those that say what happened.

Each `migrate` sets the rights again, as the role `owner`, in one transaction, so that a running hub never lacks any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Tables of evidence, with the columns that the hub may change in existing rows. In other tables it may change all.
CHANGING: Mapping[str, Sequence[str]] = {
    # what was recorded, said, seen or checked: never changed
    "record_entry": (),
    "evidence_package": (),
    "evidence_addendum": (),
    "hash_tree": (),
    "hash_tree_leaf": (),
    "hash_tree_receipt": (),
    "evidence_renewal": (),
    "evidence_renewal_leaf": (),
    "reminder_entry": (),
    "identity_check": (),
    "page_seen": (),
    "poster_scan": (),
    "delivery_share": (),
    "outbox_message": (),
    "personal_value": (),
    "shared_certificate": (),
    # what may change later
    "delivery": (
        "state", "state_at", "provider", "provider_reference", "failure", "failure_kind", "shape", "text", "variables",
        "calls", "called_at", "not_before", "check_at", "segments",
    ),
    "signature_request": (
        "state", "signature", "confirmation", "key_deleted_at", "accepted_at", "embedded_at", "prepared_deleted_at",
    ),
    "document_version": ("file",),
    "legal_hold": ("reason", "lifted_by", "lifted_at"),
    "issued_certificate": ("revoked_at", "revocation_reason"),
    "attempt": ("state", "ended_at", "failure"),
    "seal": ("state", "changed_at", "key_label", "chain", "ends_at"),
    "seal_request": ("state", "approvals", "ended_at", "ended_by"),
    "seal_grant": ("used", "revoked_at", "revoked_by"),
    "seal_use": ("seal_grant", "document_sha256", "outcome", "reason", "tries", "ended_at", "result_sha256"),
    "contract": (
        "state", "version", "document", "issued_sha256", "final_ofd_sha256", "revision", "deadline", "issued_at",
        "completed_at", "ended_at", "signed_at", "reason", "replaced_by", "hub_due_at", "hub_tries", "stuck_since",
        "stuck_reason", "answers_sealed", "pages",
    ),
    "attachment": ("superseded_at",),
    "signer": ("phone_sealed", "phone_hash", "phone_tail_hash", "salt"),
}  # fmt: skip

# Tables whose rows may be deleted: used up, kept long enough, or erased at a person's request.
DELETABLE = (
    "attachment",
    "budget",
    "callback",
    "chat_account",
    "enrolment",
    "enrolment_phone",
    "erasure_request",
    "evidence_due",
    "idempotency",
    "inbound_message",
    "login_failure",
    "one_time_code",
    "opt_out",
    "passkey",
    "personal_value",
    "reminder_policy",
    "roster_upload",
    "school_day",
    "seal_job",
    "seal_job_item",
    "sending_pause",
    "staff_recovery_code",
    "staff_session",
    "visitor",
    "weekly_report",
    "worker_heartbeat",
    "wrong_answer",
)

# `staff_directory` is a view: a role that may write to it could change the accounts of every campus.
READ_ONLY = (
    "alembic_version",
    "schema_compatibility",
    "record_head",
    "installation",
    "restored_until",
    "sealing_key",
    "staff_directory",
)

_QUEUE = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'pgqueuer%' LOOP
    EXECUTE format('GRANT DELETE ON %I TO app', name);
  END LOOP;
END $$;
GRANT DELETE ON running_job TO app;
"""


def statements() -> str:
    """Return the statements that set the rights, to be executed as the role `owner`."""
    lines = [
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM app;",
        "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO app;",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO app;",
        "REVOKE INSERT ON demo_clock FROM app;",
        *(f"REVOKE INSERT, UPDATE ON {table} FROM app;" for table in READ_ONLY),
        *(f"REVOKE UPDATE ON {table} FROM app;" for table in CHANGING),
        *(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO app;" for table, columns in CHANGING.items() if columns),
        *(f"GRANT DELETE ON {table} TO app;" for table in DELETABLE),
        _QUEUE,
    ]
    return "\n".join(lines)
