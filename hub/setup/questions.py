"""The questions for setting up a school: the steps in their order, with the questions of each. Pure.

All texts are English; `templates/languages/setup.zh.po` has the Chinese ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "secret", "table", "pem", "pkcs12", "choice"]
# Kinds of answers that are never shown again. If the field is left empty, the former answer stays.
UNSHOWN_KINDS = ("secret", "pem", "pkcs12")


@dataclass(frozen=True)
class SetupChoice:
    """One possible answer. `hint`: its consequence."""

    value: str
    words: str
    hint: str = ""


@dataclass(frozen=True)
class SetupQuestion:
    """One question. `kinds`: the answers to the step's choice with which it is asked; empty: always.

    `secret` is never shown again. `table` takes a spreadsheet, or rows that are typed; `pem` certificates;
    `pkcs12` a key with its certificate, kept in base 64.
    """

    name: str
    words: str
    hint: str = ""
    kind: Kind = "text"
    required: bool = False
    default: str = ""
    choices: tuple[SetupChoice, ...] = ()
    kinds: tuple[str, ...] = ()

    def is_asked(self, chosen: str) -> bool:
        """Return whether the question is asked, given this answer to the step's choice."""
        return not self.kinds or chosen in self.kinds


@dataclass(frozen=True)
class SetupStep:
    name: str
    title: str
    words: str
    questions: tuple[SetupQuestion, ...]

    @property
    def choice(self) -> SetupQuestion | None:
        """The question on which others depend, which is the first choice; None if there is none."""
        return next((each for each in self.questions if each.kind == "choice"), None)

    def asked(self, answers: dict[str, str]) -> list[SetupQuestion]:
        """Return the questions that are asked, given these answers."""
        choice = self.choice
        chosen = answers.get(choice.name, choice.default) if choice else ""
        return [each for each in self.questions if each.is_asked(chosen)]


def _ask_kind(words: str, *choices: SetupChoice) -> SetupQuestion:
    """Return the question on which others of its step depend. The default is the first choice."""
    return SetupQuestion("kind", words, kind="choice", required=True, default=choices[0].value, choices=choices)


ORIGIN = SetupStep(
    "origin",
    "Address",
    "Every link in a message is built from this address, so it has to lead here from outside. "
    "A proxy in front (Caddy, nginx) ends TLS.",
    (
        SetupQuestion(
            "origin",
            "Public address",
            "Like https://sign.school.example, without a path. For a trial on this machine alone: http://127.0.0.1:8080.",
            required=True,
        ),
    ),
)
ORGANISATION = SetupStep(
    "organisation",
    "Organisation",
    "Party A of every contract, and the name on the seal.",
    (
        SetupQuestion("name", "Full name, as registered", required=True),
        SetupQuestion(
            "credit_code", "Unified social credit code", "18 characters; its check digit is checked.", required=True
        ),
        SetupQuestion("licence", "Number of the operating permit", required=True),
        SetupQuestion("representative", "Legal representative"),
        SetupQuestion("short_name", "Short name", "For messages: the shorter, the cheaper."),
        SetupQuestion("name_en", "Name in English"),
        SetupQuestion("short_name_en", "Short name in English"),
    ),
)
CAMPUSES = SetupStep(
    "campuses",
    "Campuses",
    "Exactly one has no parent: the headquarters. Whoever works at a campus sees it and all below it.",
    (
        SetupQuestion(
            "table",
            "Campuses",
            "The first row holds titles: id, parent, name, and if you like English name, time zone, address, "
            "English address, phone. One campus a row.",
            kind="table",
            required=True,
            default="id, parent, name, address, phone\nhq, , , , ",
        ),
    ),
)
ACCOUNT = SetupStep(
    "account",
    "First account",
    "It belongs to headquarters and may do everything. Others are added with it.",
    (
        SetupQuestion(
            "login", "Login name", "2 to 40 small letters, digits, dots, dashes, underscores or @.", required=True
        ),
        SetupQuestion("name", "Your name", "As colleagues see it.", required=True),
        SetupQuestion(
            "password",
            "Password",
            "12 characters or more. If you leave it empty, one is generated and shown once.",
            kind="secret",
        ),
    ),
)
COURSES = SetupStep(
    "courses",
    "Courses and contract",
    "Contracts are drawn from courses. You may leave them out, and add them later.",
    (
        SetupQuestion(
            "template",
            "Contract template",
            "Your own templates are in the data folder, below templates/contracts.",
            default="course",
            required=True,
        ),
        SetupQuestion(
            "table",
            "Courses",
            "The first row holds titles: campus, id, name, subject, lessons, minutes, starts, ends, schedule, place, "
            "class size, teacher, price, refunds (like “before the first lesson 100; later 80”).",
            kind="table",
            default="campus, id, name, subject, lessons, minutes, starts, ends, schedule, place, class size, teacher, "
            "price, refunds\n",
        ),
    ),
)
SEAL = SetupStep(
    "seal",
    "Seal",
    "The school's key stays on a token and seals every contract. Who certifies it decides what a contract proves.",
    (
        _ask_kind(
            "Certificate of the seal",
            SetupChoice("builtin", "Built-in authority, for a trial"),
            SetupChoice("request", "A certificate of your own, for the key on the token"),
            SetupChoice(
                "pkcs12",
                "A key with its certificate, in a file (PKCS#12)",
                "The key goes onto the token if that is possible; otherwise it is kept encrypted in the data folder. "
                "Whoever has a copy of the file can seal as well.",
            ),
            SetupChoice("csc", "A signing service (CSC)"),
        ),
        SetupQuestion("pkcs12", "The file (.p12, .pfx)", kind="pkcs12", required=True, kinds=("pkcs12",)),
        SetupQuestion("password", "Its password", kind="secret", kinds=("pkcs12",)),
        SetupQuestion(
            "above",
            "Certificates above it up to the root (PEM)",
            "Those that the file lacks: usually the root.",
            kind="pem",
            kinds=("pkcs12",),
        ),
        SetupQuestion("url", "Address of the service", "It ends with /v1 or /v2.", required=True, kinds=("csc",)),
        SetupQuestion("credential", "Credential", kinds=("csc",)),
        SetupQuestion("token_url", "Address for access tokens (OAuth 2.0)", required=True, kinds=("csc",)),
        SetupQuestion("client_id", "Client id", required=True, kinds=("csc",)),
        SetupQuestion("client_secret", "Client secret", kind="secret", required=True, kinds=("csc",)),
        SetupQuestion("pin", "PIN of the credential", kind="secret", kinds=("csc",)),
        SetupQuestion(
            "trusted", "Certificates of the authority above the seal (PEM)", kind="pem", required=True, kinds=("csc",)
        ),
    ),
)
TIMESTAMPS = SetupStep(
    "timestamps",
    "Timestamps",
    "A timestamp shows when a contract was signed, as long as its service is trusted.",
    (
        _ask_kind(
            "Timestamp service",
            SetupChoice("builtin", "Built-in, for a trial", "`qianda verify` will say of the time: not shown."),
            SetupChoice("rfc3161", "A timestamp service (RFC 3161)", "`qianda verify` will say of the time: shown."),
        ),
        SetupQuestion("url", "Address of the service", required=True, kinds=("rfc3161",)),
        SetupQuestion(
            "certificates", "Certificates by which it is known (PEM)", kind="pem", required=True, kinds=("rfc3161",)
        ),
    ),
)
MESSAGES = SetupStep(
    "messages",
    "Reaching people",
    "One way to reach people. Other ways, and several providers of one kind, are added in the configuration.",
    (
        _ask_kind(
            "Provider",
            SetupChoice(
                "email",
                "Mail (SMTP)",
                "For people whose e-mail address is in the roster, in the form, or given by another system.",
            ),
            SetupChoice("sms_twilio", "SMS by Twilio", "Twilio carries no links to mainland China (+86)."),
            SetupChoice("none", "None yet", "No messages can be sent: links can only be handed out."),
        ),
        SetupQuestion("host", "Mail server", required=True, kinds=("email",)),
        SetupQuestion("port", "Port", "Leave it empty for the usual one.", kinds=("email",)),
        SetupQuestion(
            "security",
            "Encryption",
            "starttls, tls, or none (on this machine only).",
            default="starttls",
            kinds=("email",),
        ),
        SetupQuestion("username", "User name", kinds=("email",)),
        SetupQuestion("password", "Password", kind="secret", kinds=("email",)),
        SetupQuestion(
            "mail_sender", "Sender", "Like Mingde School <sign@school.example>.", required=True, kinds=("email",)
        ),
        SetupQuestion("account", "Account SID", required=True, kinds=("sms_twilio",)),
        SetupQuestion("auth_token", "Auth token", kind="secret", required=True, kinds=("sms_twilio",)),
        SetupQuestion("sms_sender", "Sender", "A number or name of the account.", required=True, kinds=("sms_twilio",)),
        SetupQuestion("base_url", "Regional endpoint", "Leave it empty for the usual one.", kinds=("sms_twilio",)),
        SetupQuestion(
            "to",
            "Your own mailbox or phone",
            "A real message goes there now, with a code that you type in here. Phones like +8613800000000.",
            required=True,
            kinds=("email", "sms_twilio"),
        ),
    ),
)
STEPS: tuple[SetupStep, ...] = (ORIGIN, ORGANISATION, CAMPUSES, ACCOUNT, COURSES, SEAL, TIMESTAMPS, MESSAGES)


def find_step(name: str) -> SetupStep | None:
    return next((each for each in STEPS if each.name == name), None)
