"""The sections of the settings, each with its limits. The names are those of the TOML files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from channels.applink import (
    checked_apple_app,
    checked_fingerprint,
    checked_harmony_app,
    checked_package,
    checked_scheme,
)

ObjectIdentifier = Annotated[str, StringConstraints(pattern=r"^[0-2](\.\d+)+$")]
# As `check_address` in `hub.model.contract.person` takes it.
MailAddress = Annotated[
    str, StringConstraints(pattern=r"^[^@\s,;<>()]{1,64}@[^@\s,;<>()]{1,200}\.[^@\s,;<>().]{2,63}$")
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SchoolSettings(_Section):
    """Party A of every contract, and the organisation on the seal. Messages use the short names, if there are any."""

    name: str
    name_en: str = ""
    short_name: str = ""
    short_name_en: str = ""
    credit_code: str
    licence: str
    representative: str = ""

    def named(self, language: str) -> str:
        """Return the full name, for the head of a page."""
        return self.name_en if language == "en" and self.name_en else self.name

    def called(self, language: str) -> str:
        """Return the name for messages and pages: the short one, if there is one."""
        english = self.short_name_en or self.name_en
        return english if language == "en" and english else self.short_name or self.name


class OneTokenSettings(_Section):
    """A PKCS#11 token. The PIN is in a variable or a file, or a person enters it at the start (`pin_file = "prompt"`).

    `sm2_mechanism`: the number of the vendor's mechanism for SM2 signatures, 0x80000000 or above, because PKCS#11 has
    none. `sm2_takes_hash`: that mechanism takes e = SM3(Z ‖ message) instead of the message itself."""

    module: str = ""
    label: str = "qianda"
    pin: str = ""
    pin_file: Path | None = None
    sm2_mechanism: int | None = Field(default=None, ge=0x80000000, le=0xFFFFFFFF)
    sm2_takes_hash: bool = True


class MoreTokenSettings(OneTokenSettings):
    """A further token, which holds the same keys under the same labels."""

    module: str
    label: str


class TokenSettings(OneTokenSettings):
    """The tokens. Without `module`, the first is SoftHSM in the data folder. `more`: others with the same keys, which
    share the load; one that cannot be reached is skipped."""

    seal_key: str = "seal"
    more: list[MoreTokenSettings] = Field(default_factory=list)


class SealStoreSettings(_Section):
    """An object store for sealing. `url`: like `s3://bucket/prefix`; `options`: those of the store (region, endpoint,
    credentials; without them, the variables of the platform are used). `clients`: the API keys that may use it. Each of
    their jobs can read and write the whole store."""

    url: str
    options: dict[str, str] = Field(default_factory=dict)
    clients: list[str]


class SealWebhookSettings(_Section):
    """A webhook for ended seal jobs. The first line of `secret_file` is the key of the signature, `whsec_…`."""

    url: str = Field(pattern=r"^https?://")
    secret_file: Path


class SealFilesSettings(_Section):
    """Sealing for other systems. `folder`: for files in progress, shared by web and workers; without it, a folder in
    `data`. `children`: how many files one worker prepares at the same time. `trusted_roots`: PEM files with the roots
    of seal makers; without any, whoever installs a seal maker's seal vouches for its root."""

    folder: Path | None = None
    children: int = Field(default=2, ge=1, le=32)
    stores: dict[str, SealStoreSettings] = Field(default_factory=dict)
    webhooks: dict[str, SealWebhookSettings] = Field(default_factory=dict)
    trusted_roots: list[Path] = Field(default_factory=list)


class TimestampService(BaseModel):
    """One timestamp service. Options that are not listed here are those of its module.

    `kind`: the module in `hub/timestamps`. `certificates`: PEM files to pin; `deadline`: seconds.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = "rfc3161"
    url: str = ""
    certificates: list[Path] = Field(default_factory=list)
    deadline: float = Field(default=10, gt=0, le=60)


class TimestampSettings(TimestampService):
    """The timestamp services. The kind `builtin` is for trial and internal use. Any other asks `url`, and if that
    fails, those in `more`."""

    kind: str = "builtin"
    more: list[TimestampService] = Field(default_factory=list)

    @model_validator(mode="after")
    def _services(self) -> TimestampSettings:
        if self.kind == "builtin":
            if self.more:
                raise ValueError("the built-in service stands alone: kind has to be rfc3161 where there are more")
            if self.model_extra:
                raise ValueError(f"the built-in service has no option {min(self.model_extra)}")
            return self
        services = [self, *self.more]
        if not all(service.url and service.certificates for service in services):
            raise ValueError("every timestamp service needs a url and the certificates by which it is known")
        return self


class AuthorityRuleSettings(_Section):
    """A rule that says which authority certifies which keys: see `hub.model.signing.authority_choice.AuthorityRule`."""

    authorities: list[str] = Field(min_length=1)
    campuses: list[str] = Field(default_factory=list)
    templates: list[str] = Field(default_factory=list)
    keys: list[Literal["ec", "rsa"]] = Field(default_factory=list)


class AndroidAppSettings(_Section):
    """An Android app of the school. `fingerprints`: the SHA-256 of each certificate that signs the app: upload key and
    the store's key."""

    package: Annotated[str, AfterValidator(checked_package)]
    fingerprints: list[Annotated[str, AfterValidator(checked_fingerprint)]] = Field(min_length=1)


class AppLinkSettings(_Section):
    """The school's own app, if it has one. `channels/applink.py` describes the form of each value."""

    scheme: Annotated[str, AfterValidator(checked_scheme)] = "qianda"
    ios_apps: list[Annotated[str, AfterValidator(checked_apple_app)]] = Field(default_factory=list)
    android_apps: list[AndroidAppSettings] = Field(default_factory=list)
    harmony_apps: list[Annotated[str, AfterValidator(checked_harmony_app)]] = Field(default_factory=list)


# The channels that a signer's ladder may name. Each is served by one or more providers.
SENDING_CHANNELS = ("sms", "voice", "email")


class ChannelSettings(BaseModel):
    """One provider of a channel. Options that are not listed here are those of the channel's own module.

    `kind`: the module in `channels/`; the default is the entry's name. `carries`: the channel's name in signers'
    ladders; the default is the entry's name or the first word of `kind` (`sms_twilio` carries `sms`). `weight`: its
    share among the providers of one channel. `rate`: messages per second, of which `codes_share` is reserved for
    one-time codes. `serves`: prefixes of the numbers for which it is used; empty: all. `languages`: those of the
    messages that it has to carry. `segment_cost` and `currency`: shown to staff.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = ""
    carries: str = ""
    weight: float = Field(default=1.0, gt=0, le=1000)
    rate: float = Field(default=10.0, gt=0, le=10_000)
    codes_share: float = Field(default=0.25, ge=0.05, le=0.9)
    serves: list[str] = Field(default_factory=list)
    languages: list[str] = Field(default_factory=lambda: ["zh", "en"])
    segment_cost: float | None = Field(default=None, ge=0)
    currency: str = "CNY"

    @model_validator(mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        """Expand `sms = "outbox"`, which states only the kind."""
        return {"kind": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class StaffSettings(_Section):
    """`idle_minutes`: an unused session ends after this time. `second_factor`: for owners, headquarters and seal
    keepers."""

    idle_minutes: int = Field(default=60, ge=5, le=720)
    second_factor: Literal["required", "offered"] = "required"


class OidcSettings(_Section):
    """The school's own login service for staff (OpenID Connect). Without an `issuer` there is none.

    `name`: shown on the button. `client_secret`, or the first line of `client_secret_file`; a public client has none.
    `accounts`: how a login finds its account. `subject`: by a link to its subject; `mail`: the first time also by a
    login name that equals the verified mail address. `second_factor`: with `own`, our second factor follows that login
    as it follows a password; with `provider`, the service is responsible for it. `session_minutes`: how long such a
    login lasts, since only the next one shows that the service still knows the person. `deadline`: seconds for one
    call.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    client_secret_file: Path | None = None
    name: str = ""
    accounts: Literal["subject", "mail"] = "subject"
    second_factor: Literal["own", "provider"] = "own"
    session_minutes: int = Field(default=720, ge=5, le=720)
    deadline: float = Field(default=8, gt=0, le=30)

    @model_validator(mode="after")
    def _whole(self) -> OidcSettings:
        if not self.issuer:
            if self.client_id or self.name:
                raise ValueError("a login service needs its issuer, like https://login.school.example")
            return self
        self.check_address(self.issuer)
        if not self.client_id:
            raise ValueError("the login service knows us by a client_id: set it")
        return self

    def check_address(self, address: str) -> None:
        """Raise ValueError unless it begins with https://. Only on this machine, http:// is allowed."""
        found = urlsplit(address)
        local = found.scheme == "http" and found.hostname in ("127.0.0.1", "localhost", "::1")
        if not (local or (found.scheme == "https" and found.hostname)) or found.fragment:
            raise ValueError(f"{address} has to begin with https://")

    def read_client_secret(self) -> str:
        """Return the secret; empty for a public client. Raises OSError for a file that cannot be read."""
        if self.client_secret_file:
            return (self.client_secret_file.read_text("utf-8").splitlines() or [""])[0]
        return self.client_secret.get_secret_value()
