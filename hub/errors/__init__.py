"""Every way in which Qianda refuses something, as one tree.

Each class has a `code` (stable, part of the public interface), a `sentence` that a person may read, and `retry`:
whether the very same request can succeed later without anybody changing anything. HTTP appears only in
`hub.web.http.problems`.

    QiandaError
    ├── BadInput            the request itself is wrong: UndrawableText, GuardianRequired, …
    ├── NotFound            LinkNotValid, ContractNotFound, PackageNotMade
    ├── NotAllowed          SessionNotValid, NotVerified, AccessDenied, …
    ├── Refused             a check failed: WrongAnswer, WrongProof, WrongSignature, …
    ├── Conflict            the contract is in another state: DocumentBusy, DocumentChanged, NotYourTurn, …
    ├── TooMany             a budget is used up: TooSoon, Locked
    └── Unavailable         a part that we depend on is away: token, authority, timestamp, identity, database
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.errors.accounts import *
from hub.errors.answers import *
from hub.errors.certificates import *
from hub.errors.enrolments import *
from hub.errors.files import *
from hub.errors.kinds import *
from hub.errors.seal_jobs import *
from hub.errors.seals import *
from hub.errors.texts import *


class GuardianRequired(BadInput):
    code = "guardian-required"
    sentence = "The student is under 18: a guardian has to sign."


class UndrawableText(BadInput):
    code = "undrawable-text"
    sentence = "The contract's font cannot show some of the characters."


class CountryNotAllowed(BadInput):
    code = "country-not-allowed"
    sentence = "Messages to this country are not allowed here."


class WrongListLine(BadInput):
    """A line of the list cannot be read. The detail is its number; its content is not repeated."""

    code = "wrong-list-line"
    sentence = "A line of the list is neither a mobile number nor a document number."


class TemplateFailed(BadInput):
    code = "template-failed"
    sentence = "The contract template could not be filled in."


class IdempotencyMismatch(BadInput):
    code = "idempotency-mismatch"
    sentence = "This Idempotency-Key was already used for a different request."


class LinkNotValid(NotFound):
    """The ticket is unknown, expired or revoked: the answer must not reveal which."""

    code = "link-not-valid"
    sentence = "This link is no longer valid. You can ask for a new one."


class PairingNotValid(NotFound):
    """The code is unknown, used, expired or ended: the answer must not reveal which."""

    code = "pairing-not-valid"
    sentence = "This pairing code is not valid. Please get a new one on the page."


class ContractNotFound(NotFound):
    code = "contract-not-found"
    sentence = "Contract not found."


class PackageNotMade(NotFound):
    """The contract has ended, and a worker makes its evidence package: there will be something here soon."""

    code = "package-not-made"
    sentence = "The evidence package is still being made."
    retry = True


class SessionNotValid(NotAllowed):
    code = "session-not-valid"
    sentence = "Your visit has ended. Please open the link again."


class NotVerified(NotAllowed):
    code = "not-verified"
    sentence = "Please confirm your identity first."


class IdentityNotChecked(NotAllowed):
    """The visitor stated who they are, and nobody has checked that."""

    code = "identity-not-checked"
    sentence = "Your identity has not been checked yet. Please ask the school to do this for you."


class NotForAgents(NotAllowed):
    code = "not-for-agents"
    sentence = "This can only be done on the page."


class KeyNotValid(NotAllowed):
    code = "api-key-not-valid"
    sentence = "The API key is missing or not valid."


class OwnApproval(NotAllowed):
    """Two people must approve, and this person was the first: by the request, or before."""

    code = "own-approval"
    sentence = "Another person has to approve this. The person who requested it cannot be the second approver."


class WrongAnswer(Refused):
    """A wrong code or a wrong identity answer: one class, so that the answer never reveals which."""

    code = "wrong-answer"
    sentence = "The code, the name or the document digits do not match. Please check all three."


class NotOnList(Refused):
    code = "not-on-list"
    sentence = (
        "This code is only for people on a list of the school, and these details are not on it. Please ask the school."
    )


class WrongSignature(Refused):
    code = "wrong-signature"
    sentence = "The signature does not match the certificate or the document."


class WrongConfirmation(Refused):
    """The confirmation by a passkey is wrong; the detail says why. The person can still sign without one."""

    code = "wrong-confirmation"
    sentence = (
        "The confirmation by your device does not match this request. Nothing was signed; you can sign without it."
    )


class WrongConsent(Refused):
    code = "wrong-consent"
    sentence = "The consent text has changed. Please read it again."


class WrongDocument(Refused):
    code = "wrong-document"
    sentence = "The document is not the one that was shown."


class FileFailedCheck(Refused):
    """Our own check of a finished file found a fault: the contract must not be completed."""

    code = "file-failed-check"
    sentence = "The finished file did not pass our own check."


class AuthorityRefused(Refused):
    """The authority decided against it: no other authority is asked."""

    code = "authority-refused"
    sentence = "The certificate authority did not issue a certificate for you. Please ask the school."


class DemoRefused(Refused):
    code = "demo-refused"
    sentence = "The demo does not start with this configuration."


class WrongInstallation(Refused):
    code = "wrong-installation"
    sentence = "The data folder does not belong to this database."


class IllegalMove(Conflict):
    code = "illegal-move"
    sentence = "This is not possible in the contract's present state."


class StaleVersion(Conflict):
    """Somebody else wrote first (compare-and-set failed)."""

    code = "stale-version"
    sentence = "The contract has changed in the meantime. Please try again."
    retry = True


class AlreadyEnrolled(Conflict):
    """A link was sent to the phone on file, if there was anything to sign; the answer reveals no more."""

    code = "already-enrolled"
    sentence = "This student is already enrolled in this course. Nothing was changed."


class OneEach(Conflict):
    code = "one-enrolment-each"
    sentence = "Each student can be enrolled only once with this code. For another course, please ask the school."


class PosterFull(Conflict):
    code = "poster-full"
    sentence = "All places for this code are taken. Please ask the school."


class PhoneChangeWaiting(Conflict):
    code = "phone-change-waiting"
    sentence = "Another change of this person's phone number is waiting for approval. Please decide on that one first."


class PhoneChangeEnded(Conflict):
    code = "phone-change-ended"
    sentence = "This phone number change has already been decided."


class TooManyDevices(Conflict):
    code = "too-many-devices"
    sentence = "You already use too many devices. Please revoke one that you no longer use."


class DocumentBusy(Conflict):
    code = "document-busy"
    sentence = "Somebody else is signing this contract right now. Please wait a moment."
    retry = True


class DocumentChanged(Conflict):
    code = "document-changed"
    sentence = (
        "Another signature has been added to the contract in the meantime. Please review it again; nothing was lost."
    )


class NotYourTurn(Conflict):
    code = "not-your-turn"
    sentence = "Somebody else has to sign first. We will notify you when it is your turn."


class NotConfirmed(Conflict):
    """The page has not confirmed the certificate of the program that is paired with it."""

    code = "not-confirmed"
    sentence = "Please confirm your certificate on the page first."
    retry = True


class BackupRunning(Conflict):
    code = "backup-running"
    sentence = "A backup is being written and needs the files. Erase the person when it is done."
    retry = True


class NotCompleted(Conflict):
    code = "not-completed"
    sentence = "The contract is not completed yet."


class AlreadySigned(Conflict):
    """A repeated submission of an accepted signature, which is answered as success."""

    code = "already-signed"
    sentence = "You have already signed this contract."


class TooSoon(TooMany):
    code = "too-soon"
    sentence = "Please wait a moment before you ask again."


class BudgetSpent(TooMany):
    """A limit of messages (per number, prefix, campus or poster), certificates, prepared or unreadable files is
    reached.

    `kind` says which, in the period from `begins_at` to `ends_at`.
    """

    code = "budget-spent"
    sentence = "Too many requests. Please try again later, or ask the school."

    def __init__(
        self,
        kind: str,
        campus: str | None,
        period: tuple[datetime, datetime],
        *,
        retry_after: timedelta,
        zone: str = "",
    ) -> None:
        super().__init__(retry_after=retry_after, zone=zone)
        self.kind = kind
        self.campus = campus
        self.begins_at, self.ends_at = period
        self.wait = retry_after


class Locked(TooMany):
    code = "locked"
    sentence = "There were too many wrong answers today. Please try again tomorrow, or ask the school."


class TokenUnavailable(Unavailable):
    code = "token-unavailable"


class KeyNotOnToken(TokenUnavailable):
    """The token has no such key that it could use; this says nothing against the token."""

    code = "key-not-on-token"


class ContractUnreadable(Unavailable):
    code = "contract-unreadable"
    sentence = "The data of this contract cannot be read. The operator of this service has to look into it."
    retry = False


class AuthorityUnavailable(Unavailable):
    code = "authority-unavailable"


class TimestampUnavailable(Unavailable):
    code = "timestamp-unavailable"


class NotaryUnavailable(Unavailable):
    code = "notary-unavailable"


class IdentityUnavailable(Unavailable):
    code = "identity-unavailable"
    sentence = "Your identity cannot be checked right now. Nothing that you entered was wrong; please try again later."


class DatabaseUnavailable(Unavailable):
    code = "database-unavailable"


class FontMissing(Unavailable):
    """The contract's font is missing. The detail names the command that installs it."""

    code = "font-missing"
    sentence = "The font of the contracts is not installed on this machine."
    retry = False
