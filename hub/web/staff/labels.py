"""Labels of the console: English texts, which the catalogue translates, and times in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.documents.contract.wording import day
from hub.model.staff.accounts import StaffTask
from hub.web.http.problems import known_problems
from hub.web.pages.i18n import Translate
from hub.web.staff.bulk_labels import TASK_FIELDS
from hub.web.staff.policy_labels import POLICY_KEYS
from hub.web.staff.record_labels import COPY_ROLES
from hub.web.staff.report_labels import REASONS
from hub.web.staff.seal_labels import SEAL_FIELDS
from hub.web.staff.text_labels import TEXT_FIELDS

STATES = {
    "DRAFT": "draft",
    "ISSUED": "to be signed",
    "SIGNED": "signed, being sealed",
    "COMPLETED": "completed",
    "DECLINED": "declined",
    "EXPIRED": "expired",
    "VOIDED": "withdrawn",
    "SIGNED_ON_PAPER": "signed on paper",
}
TASKS = {
    "WAITING": "not their turn yet",
    "OPEN": "to sign",
    "SIGNED": "signed",
    "DECLINED": "declined",
    "CLOSED": "nothing to do any more",
}
ROLES = {"student": "student", "guardian": "guardian", "representative": "school representative"}
CHANNELS = {"sms": "text message", "voice": "call", "email": "e-mail"}
SHAPES = {"full": "full address", "path": "approved domain with ticket", "code": "constant address with short code"}
DELIVERIES = {
    "sending": "being sent",
    "unknown": "sent, no answer yet",
    "sent": "sent",
    "undelivered": "not delivered",
    "delivered": "delivered",
    "refused": "refused by the provider",
    "withdrawn": "not sent any more",
}
PURPOSES = {
    "invitation": "invitation",
    "reminder": "reminder",
    "last-call": "last reminder",
    "code": "one-time code",
    "completed": "completed copy",
    "new-link": "new link",
    "your-turn": "your turn",
    "withdrawn": "withdrawal notice",
    "expired": "expiry notice",
    "stopped": "answer to STOP",
    "started": "answer to START",
    "help": "answer to HELP",
    "status": "answer to STATUS",
    "reply": "answer to a question",
    "copy": "copy to somebody named",
    "office-copy": "copy to the school",
}
STEPS = {"invitation": "invitation", "reminder": "reminder", "last-call": "last reminder", "expiry": "deadline passes"}
DOORS = {
    "sms": "text message",
    "voice": "call",
    "email": "e-mail",
    "qr": "QR code",
    "applink": "app link",
    "copy": "copied link",
    "desk": "code on the desk screen",
    "poster": "poster",
}
TASK_KINDS = {
    "question": "has a question",
    "wrote": "has written a text message",
    "not-me": "says: not me",
    "wrong": "says: something is wrong",
    "declined": "declined",
    "locked": "locked after wrong answers",
    "unreachable": "cannot be reached",
    "stuck": "stuck at the hub",
    "checks-differ": "two checks of a finished file differ",
    "failed": "could not be sent",
    "refused-by-client": "the signer's own device refused",
    "phone-change": "a new phone number waits for approval",
    "shared-phone": "a phone number that strangers share",
    "enrolment-asked": "enrolled by a poster",
    "already-enrolled": "used a poster again",
    "identity-refused": "identity not confirmed",
    "unanswered": "does not answer reminders",
    "unreached": "no message has reached this person",
    "stop-flood": "many opt-outs wait to be checked",
    "certificate-not-revoked": "a certificate could not be revoked",
    "opted-out": "asked for no more messages",
    "unread": "a provider's report could not be read",
    "approve-issue": "contracts wait for approval",
    "approve-text": "a text waits for approval",
}
ALERTS = {
    "provider-broken": "a provider is out of use",
    "budget-spent": "a message limit is reached",
    "provider-rests": "a provider asked for a pause",
    "stop-flood": "many opt-outs wait to be checked",
    "shared-phone": "a phone number that strangers share",
    "authority-away": "an authority issues no certificates",
    "token-away": "a token does not answer",
    "timestamps-away": "a timestamp service gives no timestamps",
    "clock-differs": "our clock differs from a timestamp service's",
    "disk-low": "a disk has little space left",
    "identity-away": "an identity provider does not answer",
    "webhook-away": "a webhook takes no notices",
    "digest": "to do today",
    "step-failed": "messages cannot be sent because of an error",
}
# What it means for the user that a limit on messages is reached. `LIMIT_SETTINGS` names the setting of each limit.
LIMITS = {
    "prefix": "Messages to numbers that begin alike have reached their limit. Invitations and reminders wait until "
    "then; one-time codes still go out.",
    "campus": "The messages of this campus have reached their limit. Invitations and reminders wait until then; "
    "one-time codes still go out.",
    "code-prefix": "One-time codes to numbers that begin alike have reached their limit. People with such numbers "
    "cannot go on until then.",
    "answer-prefix": "Answers to numbers that begin alike have reached their limit. Links that people ask for are not "
    "sent until then; one-time codes still go out.",
    "guest-prefix": "One-time codes for people who scanned a poster have reached their limit for numbers that begin "
    "alike. Such numbers get none until then.",
    "poster": "A poster has reached its limit of one-time codes. Nobody new gets one by it until then.",
}
LIMIT_SETTINGS = {
    "prefix": "per_prefix_hour",
    "campus": "per_campus_day",
    "code-prefix": "codes_per_prefix_hour",
    "answer-prefix": "codes_per_prefix_hour",
    "guest-prefix": "guest_codes_per_prefix_hour",
    "poster": "per_poster_day",
}
PLATFORMS = {"android": "Android", "ios": "iPhone or iPad"}
KEYS_HELD = {
    "strongbox": "key in a chip of its own, as the device shows",
    "tee": "key in the device's secure hardware, as it shows",
    "vouched": "a genuine app on a genuine device vouches for the key",
    "refused": "the device's statement was not accepted",
    "none": "nothing shows where the key is",
}
REVOCATIONS = {
    "by-its-person": "by the person",
    "by-staff": "by staff",
    "phone-changed": "because the phone number changed",
}
LEDGER = {
    "planned": "planned",
    "sent": "sent",
    "skipped": "postponed",
    "failed": "could not be sent",
    "stopped": "stopped",
    "receipt": "receipt",
    "opened": "opened",
}
LEDGER_REASONS = {
    "quiet-hours": "quiet hours",
    "closed-day": "closed day",
    "policy-changed": "policy changed",
    "cap": "enough messages today",
    "opted-out": "does not want messages",
    "paused": "paused because of a question",
    "signed-meanwhile": "signed",
    "by-hand": "by hand",
    "no-channel": "no way to reach them",
    "deadline-moved": "deadline moved",
    "declined": "declined",
    "voided": "withdrawn",
    "expired": "expired",
    "closed": "closed",
    "signed-on-paper": "signed on paper",
    "phone-changed": "phone number changed",
    "overdue": "many were overdue",
    "too-soon": "got a message a short while ago",
    "code-expired": "the code is no longer valid",
    "replaced": "a new contract was issued in its place",
    "budget": "a message limit is reached",
    "unpaused": "no longer paused",
    "opted-in": "wants messages again",
    "step-failed": "raised an error, tried again",
}
NEXT_WAYS = {
    "no-receipt": "no receipt",
    "not-opened": "not opened",
    "no-provider": "no provider took it",
    "unknown": "sent, no answer yet",
    "undelivered": "not delivered",
    "refused": "refused by the provider",
}
# Kinds of tasks whose last line is the address of the page on which something is approved.
APPROVALS = {"approve-issue", "approve-text"}
# Kinds whose whole text was written by a person; for THEN_OWN_WORDS, all of it except the first line.
ALL_OWN_WORDS = {"question", "not-me", "wrong", "wrote"}
THEN_OWN_WORDS = {"declined", "enrolment-asked", "already-enrolled"}
# Values that have a label, and that stand alone in a line of a text from the lifecycle.
CODES = LEDGER_REASONS | REASONS | COPY_ROLES | STATES | CHANNELS | NEXT_WAYS
STUCK = {code: each.sentence for code, each in known_problems().items()} | {
    "not-finished": "There is no result yet, and no error either.",
    "step-failed": "A message cannot be sent, since it raises an error.",
    "token-unavailable": "The school's key device cannot be reached.",
    "key-not-on-token": "The school's key device does not have the key, or cannot use it.",
    "authority-unavailable": "The certificate authority does not answer.",
    "timestamp-unavailable": "The timestamp service does not answer.",
    "database-unavailable": "The database cannot be reached.",
}
VERSIONS = {
    "draft": "draft",
    "uploaded": "the school's own PDF",
    "issued": "issued, with empty signature fields",
    "answered": "with what the signer has filled in",
    "signed": "with one more signature",
    "final": "completed, sealed",
    "issued-ofd": "OFD, issued",
    "final-ofd": "OFD, sealed",
}
FIELDS = {
    "name": "name", "phone": "mobile number", "id_number": "document number", "id_type": "document",
    "birth_date": "birth date", "campus": "campus", "course": "course", "deadline": "deadline", "signers": "signers",
    "reason": "reason", "text": "text", "chat": "chat", "person": "person id", "login": "login",
    "title": "title", "courses": "courses", "mode": "what follows", "expires_at": "last day", "maximum": "places",
    "password": "password", "role": "role", "subject": "subject", "expires": "end", "scope": "what it may do",
    "allowed": "list", "representative": "school representative", "contracts": "contracts", "calendar": "calendar",
    "until": "end", "number": "contract number",
    "document": "PDF", "places": "places of the signatures", "document_title": "title",
    "companions": "documents of the set", "with_ofd": "OFD beside the PDF", "template": "template",
    "from": "beginning", "by": "grouping", "language": "language", "email": "e-mail address",
    "scopes": "what it may do",
}  # fmt: skip
STAFF_ROLES = {
    "owner": "owner",
    "headquarters": "headquarters",
    "campus-manager": "campus manager",
    "clerk": "clerk",
    "seal-keeper": "seal keeper",
    "legal": "legal",
    "auditor": "auditor",
}
STAFF_ROLE_HINTS = {
    "owner": "Everything, also owners and seal keepers.",
    "headquarters": "Everything but making and granting seals.",
    "campus-manager": "As a clerk; and reminder policies and the accounts of the campus.",
    "clerk": "Import, issue, remind, withdraw, settle tasks.",
    "seal-keeper": "Reads; makes, grants and revokes seals.",
    "legal": "Reads; withdraws and extends; contract templates; data of a person.",
    "auditor": "Reads the pages of the campus and downloads contracts, changes nothing.",
}
FIELDS |= POLICY_KEYS | SEAL_FIELDS | TASK_FIELDS | TEXT_FIELDS
POSTERS = {"open": "open for enrolment", "full": "full", "expired": "over", "revoked": "revoked"}
POSTER_MODES = {"contract": "contract at once", "ask": "you look at it first"}
POSTER_MODE_HINTS = {
    "contract": "The contract is drawn from the course, and is read and signed there and then.",
    "ask": "You get a task; the contract goes out when you issue it.",
}


@dataclass(frozen=True)
class Speech:
    """The texts for one reader, in their language. `now` is on the planning clock."""

    translate: Translate
    lang: str
    now: datetime

    def word(self, words: Mapping[str, str], key: object) -> str:
        """Return the label of a value, or the value itself if it has no label yet."""
        return self.translate(words.get(str(key), str(key)))

    def task_lines(self, task: StaffTask) -> list[str]:
        """Return the lines of a task.

        Text written by a person stays as it is: it is not translated, even if it looks like a value with a label.
        """
        lines = task.text.splitlines()[: -1 if task.kind in APPROVALS else None]
        own = lines if task.kind in ALL_OWN_WORDS else lines[1:] if task.kind in THEN_OWN_WORDS else []
        return self.lines("\n".join(lines[: len(lines) - len(own)])) + own

    def lines(self, text: str) -> list[str]:
        """Return the lines of a text from the lifecycle.

        Each line is either a fixed sentence, which the catalogue translates, or a value, shown by its label or as it
        is.
        """
        return [self.word(CODES, line) for line in text.splitlines()]

    def why(self, line: Mapping[str, object]) -> str:
        """Return the reason in a line of the reminder ledger: the state of the receipt, the door, or why a channel was
        tried."""
        reason = str(line["reason"] or "")
        first, _, more = reason.partition("-")
        if line["kind"] == "receipt":
            return self.word(DELIVERIES, first) + (self.translate(" ({words})", words=more) if more else "")
        if line["kind"] == "opened":
            return self.word(DOORS, reason)
        if line["kind"] == "sent" and first in CHANNELS:
            return self.word(CHANNELS, first) + self.translate(": ") + self.word(NEXT_WAYS, more)
        return self.word(LEDGER_REASONS, reason) if reason else ""

    def delivery(self, state: str, waits_until: datetime | None, zone: str) -> str:
        """Return how far a message is. One that is sent later, because of the hour or of a limit, says from when."""
        if waits_until and waits_until > self.now:
            return self.translate("waits until {when}", when=self.when(waits_until, zone))
        return self.word(DELIVERIES, state)

    def when(self, moment: datetime, zone: str) -> str:
        """Return a moment in the time zone `zone`, for example "today 18:02". Days other than yesterday, today and
        tomorrow are shown by date, with the year if it is another one."""
        local, today = moment.astimezone(ZoneInfo(zone)), self.now.astimezone(ZoneInfo(zone)).date()
        near = {0: "today {time}", -1: "yesterday {time}", 1: "tomorrow {time}"}.get((local.date() - today).days)
        if near:
            return self.translate(near, time=f"{local:%H:%M}")
        year = f" {local.year}" if local.year != today.year else ""
        if self.lang == "en":
            return f"{local.day} {local:%b}{year} {local:%H:%M}"
        return f"{f'{local.year}年' if year else ''}{local.month}月{local.day}日 {local:%H:%M}"

    def day(self, value: date) -> str:
        return day(value, self.lang)

    def days(self, days: str) -> str:
        return self.translate("1 day") if days == "1" else self.translate("{days} days", days=days)

    def exactly(self, moment: datetime, zone: str) -> str:
        local = moment.astimezone(ZoneInfo(zone))
        return f"{local:%Y-%m-%d %H:%M:%S} {self.offset(zone)}"

    def offset(self, zone: str) -> str:
        """Return the offset of a time zone from UTC, like UTC+8."""
        minutes = int((self.now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)).total_seconds() // 60)
        hours, rest = divmod(abs(minutes), 60)
        return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")

    def since(self, moment: datetime) -> str:
        days = (self.now - moment).days
        return self.translate("today") if days < 1 else self.days(str(days))
