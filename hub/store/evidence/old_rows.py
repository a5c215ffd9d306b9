"""Rows that are deleted when they are old enough, and the reasons why the rows of all other tables are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, Integer, bindparam, text

from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement


@dataclass(frozen=True)
class OldRows:
    """Rows of one table that may be deleted. `condition`: the SQL condition, with `:before` for the time from which
    rows are kept. `emptied`: the assignments of an UPDATE, if the row is evidence and only a column of it is emptied;
    `freed`: this column."""

    table: str
    condition: str
    emptied: str = ""
    freed: str = ""

    @property
    def count(self) -> SqlStatement:
        size = f"pg_column_size(old.{self.freed})" if self.freed else "pg_column_size(old.*)"
        return _with_types(
            f"SELECT count(*), coalesce(sum({size}), 0) FROM {self.table} AS old WHERE {self._condition}"  # noqa: S608
        )

    @property
    def delete(self) -> SqlStatement:
        old = f"ctid = ANY(ARRAY(SELECT ctid FROM {self.table} WHERE {self._condition} LIMIT :most))"  # noqa: S608
        begin = f"UPDATE {self.table} SET {self.emptied}" if self.emptied else f"DELETE FROM {self.table}"  # noqa: S608
        return _with_types(f"{begin} WHERE {old}", limited=True)

    @property
    def _condition(self) -> str:
        return f"({self.condition}) AND CAST(:before AS timestamptz) IS NOT NULL"


def _with_types(sql: str, *, limited: bool = False) -> SqlStatement:
    most = [bindparam("most", type_=Integer())] if limited else []
    of = text(sql).bindparams(bindparam("before", type_=DateTime(timezone=True)), *most)
    return SqlStatement(of, plans_for_values=True)  # few rows are old, however many there are


# By the kinds of `hub.model.evidence.retention.list_retention`.
OLD_ROWS: Mapping[str, OldRows] = {
    "calls": OldRows("callback", "due_at IS NULL AND received_at < :before"),
    "inbound": OldRows("inbound_message", "received_at < :before"),
    "periods": OldRows("budget", "begins_at < :before"),
    # The log and statistics that PgQueuer wrote in earlier versions; the log includes traces of errors.
    "job-log": OldRows("pgqueuer_log", "created < :before"),
    "job-statistics": OldRows("pgqueuer_statistics", "created < :before"),
    "rosters": OldRows("roster_upload", "created_at < :before"),
    # Data of a new signer whose contract can no longer be replaced, or about whom nobody has decided.
    "replacements": OldRows(
        "issue_item",
        "replacement_sealed IS NOT NULL AND (act IN (SELECT id FROM issue_act WHERE asked_at < :before)"
        " OR enrolment NOT IN (SELECT enrolment.id FROM enrolment JOIN contract ON contract.id = enrolment.contract"
        " WHERE contract.state IN ('ISSUED', 'DECLINED', 'EXPIRED', 'VOIDED')))",
        emptied="replacement_sealed = NULL, outcome = 'gone', ended_at = now()",
        freed="replacement_sealed",
    ),
    # Nothing of a held contract is deleted. A hold that ends by its date keeps the attachment until the retention time
    # has passed once more; one that is lifted keeps it no longer.
    "attachments": OldRows(
        "attachment",
        "superseded_at < :before AND contract NOT IN (SELECT contract FROM legal_hold"
        " WHERE lifted_at IS NULL AND (until IS NULL OR until > :before))",
    ),
    "answers": OldRows("idempotency", "created_at < :before"),
    "codes": OldRows("one_time_code", "created_at < :before"),
    "wrong-answers": OldRows("wrong_answer", "at < :before"),
    "guests": OldRows("visitor", "expires_at < :before"),
    "login-failures": OldRows("login_failure", "at < :before"),
    "staff-sessions": OldRows("staff_session", "expires_at < :before"),
    # The certificates of an ended session are also stored in the requests that were signed with them.
    "session-chains": OldRows(
        "signing_session",
        "expires_at < :before AND certificate_chain <> '{}'",
        emptied="certificate_chain = '{}'",
        freed="certificate_chain",
    ),
}

EVIDENCE = "belongs to a contract, and is kept as long as it"
SCHOOL = "belongs to the school, and grows with it alone"
BY_ITSELF = "is deleted by whatever writes it"
KEPT: Mapping[str, str] = {
    "contract": EVIDENCE,
    "signer": EVIDENCE,
    "signing_task": EVIDENCE,
    "document_version": EVIDENCE,
    "record_entry": EVIDENCE,
    "record_head": EVIDENCE,
    "personal_value": "belongs to a contract: until it is erased (`qianda erase`)",
    "sign_link": EVIDENCE,
    "signing_session": EVIDENCE,
    "identity_check": EVIDENCE,
    "page_seen": EVIDENCE,
    "pairing": EVIDENCE,
    "issued_certificate": "must be found when it is revoked, and stands in revocation lists",
    "signature_request": EVIDENCE,
    "shared_certificate": "is of the seal or of an authority, and stands in signature requests",
    "attempt": EVIDENCE,
    "delivery": EVIDENCE,
    "delivery_share": EVIDENCE,
    "outbox_message": "is what the channel of trials has accepted, and keeps a message from going out twice",
    "reminder_entry": EVIDENCE,
    "many_reminded": "says of a contract why it was, or was not, reminded with others",
    "staff_task": "says who answered what",
    "phone_change": EVIDENCE,
    "alert": "says what staff were told",
    "poster_scan": EVIDENCE,
    "enrolment": "is what a contract was drawn from",
    "passkey": "belongs to a person: until the last of their contracts is erased",
    "app_key": "belongs to a person, and may have signed",
    "opt_out": "must be obeyed for good",
    "restored_delivery": "is what a restore may not send again",
    "contract_number": "is one row a year",
    "campus": SCHOOL,
    "course": SCHOOL,
    "school_day": SCHOOL,
    "poster": SCHOOL,
    "roster_titles": SCHOOL,
    "reminder_policy": SCHOOL,
    "text_version": "says which text was in force when, and who approved it",
    "roster_import": "says who brought which enrolments, and is what can be undone",
    "issue_act": "says who issued contracts together",
    "issue_item": "says of an enrolment why it was, or was not, issued with others",
    "seal": "is what files were sealed with",
    "seal_sm2": "is what OFD files were sealed with",
    "seal_request": "says who applied for a seal, and who approved it",
    "seal_grant": "says who was allowed to use a seal",
    "seal_use": "is the register of seals",
    "seal_job": BY_ITSELF,
    "seal_job_item": BY_ITSELF,
    "bulk_act": "says who changed contracts together",
    "bulk_item": "says of a contract why it was, or was not, changed with others",
    "enrolment_phone": "goes with its enrolment",
    "evidence_package": EVIDENCE,
    "evidence_addendum": EVIDENCE,
    "evidence_due": BY_ITSELF,
    "erasure_request": "waits for a second person or the command, and is deleted then; unconfirmed, after 30 days",
    "hash_tree": "proves of every record that it has not changed",
    "hash_tree_leaf": "proves of every record that it has not changed",
    "hash_tree_receipt": "proves when a root was given to a notary",
    "evidence_renewal": "proves that evidence was renewed in time",
    "evidence_renewal_leaf": "proves that evidence was renewed in time",
    "legal_hold": "says why a contract was kept",
    "restored_until": "is one row",
    "sealing_key": "names the keys of encrypted columns",
    "row_count": BY_ITSELF,
    "staff_recovery_code": BY_ITSELF,
    "staff": SCHOOL,
    "weekly_report": "is one row for each member of staff who wants it, and goes when they do not any more",
    "api_key": SCHOOL,
    "chat_account": SCHOOL,
    "provider": SCHOOL,
    "provider_lane": SCHOOL,
    "installation": SCHOOL,
    "demo_clock": SCHOOL,
    "schema_compatibility": SCHOOL,
    "sending_pause": SCHOOL,
    "duty": SCHOOL,
    "worker_heartbeat": BY_ITSELF,
}
_COUNT = {kind: rows.count for kind, rows in OLD_ROWS.items()}
_DELETE = {kind: rows.delete for kind, rows in OLD_ROWS.items()}


class OldRowStore(Repository):
    async def count_old(self, kind: str, before: datetime) -> tuple[int, int]:
        """Return how many rows of this kind may be deleted, and their size in bytes without indexes."""
        rows = await self._connection.execute(_COUNT[kind], {"before": before})
        number, size = rows.one()
        return int(number), int(size)

    async def delete_old(self, kind: str, before: datetime, limit: int) -> int:
        """Delete rows of this kind, or empty them if they are evidence. Return how many, at most `limit`."""
        return (await self._connection.execute(_DELETE[kind], {"before": before, "most": limit})).rowcount
