"""Settings: read once at the start from `hub/config/default.toml`, the school's own TOML file and `QIANDA_…` variables.

They are passed on to the parts that need them. A later source takes precedence. `QIANDA_CONFIG` names the own file;
without it, the own file is `qianda.toml` in the data folder. Nested values are written like `QIANDA_TOKEN__PIN`.
"""

from __future__ import annotations

import importlib.resources
import os
import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from hub.model.contract.signer import Representative
from hub.model.evidence.retention import Retention
from hub.model.messaging.budget import BudgetLimits
from hub.settings.sections import (
    AppLinkSettings,
    AuthorityRuleSettings,
    ChannelSettings,
    MailAddress,
    ObjectIdentifier,
    OidcSettings,
    SchoolSettings,
    SealFilesSettings,
    StaffSettings,
    TimestampSettings,
    TokenSettings,
)

# The folder inside the package, in a checkout as in a wheel: templates, the default configuration, the demo's school.
PACKED = Path(str(importlib.resources.files("hub")))
PREFIX = "QIANDA_"
OWN_FILE = f"{PREFIX}CONFIG"
# Not a setting: the passphrase for `qianda backup` and `restore`.
BACKUP_PASSPHRASE = f"{PREFIX}BACKUP_PASSPHRASE"
# Not a setting either: the address for a server's administrator, for `qianda database create-roles --execute`.
DATABASE_ADMIN = f"{PREFIX}DATABASE_ADMIN"
# The file that `qianda init --from` writes into the data folder.
CONFIGURATION = "qianda.toml"
DEFAULT_DATA = Path("data")
SHIPPED = PACKED / "config" / "default.toml"


class Settings(BaseSettings):
    """All settings.

    `origin`: the public address, from which every URL is built; `host` and `port`: where the server listens.
    `trusted_proxies`: addresses and networks of the proxies in front, whose X-Forwarded-For is trusted.

    `database`: without it, the embedded one in `data`. `files`: without it, a folder in `data`. `channels`: the
    providers, each under its own name. `alerts`: addresses in Apprise's form for staff alerts; `alerts_file`: the same,
    one on each line, if they contain secrets. `poster_logo`: a PNG for the middle of a poster's QR code. `logo`: a PNG
    for the head of pages; without it, `templates/logo.png` in `data`, if it exists. `templates_dir`: the school's own
    contract templates and message texts; without it, `templates` in `data`, if it exists.

    `authority` certifies signers' keys if none of `authority_rules` matches: the built-in one, or an entry of
    `authorities`. `identity`: only the school's roster, or an entry of `identities` that is asked after it.
    `representatives`: the people who sign for the school, if a template or the issuer asks for it. `offices`:
    e-mail addresses of offices that get copies of completed contracts, by campus (and for those below it).

    `pdf_engine`: our own engine, which leaves to pyHanko the files that do not fit its profile, or only pyHanko.
    `full_check_every`: one in this many finished files gets the full check, besides the quick check of every file; 1:
    all.

    `seal`: empty if the school's seal is on the token; otherwise the remote service that has its key (`kind`, and the
    options of that module of `hub/tokens`). `attestations`: the readers of phones' statements about the keys of the
    school's apps. `notaries`: services that also receive the root of each day's hash tree (modules of `hub/notaries`).

    `seal_files`: sealing for other systems: the object stores that files come from and go to, and the webhooks that are
    called when a job has ended.

    `work_host` and `work_port`: where a worker answers `/healthz`, `/readyz` and `/metrics`; without a port, nowhere.
    Several `workers` take the ports after it. `metrics_token`, or the first line of `metrics_token_file`: the
    credential for `/metrics` only, of `serve` and `work`. `tls_certificate`: the PEM file of the proxy in front, whose
    end of validity is among the metrics.

    `trusted_signers`: PEM files with the authorities whose certificates signers may bring, usually on a token, besides
    the configured authority. `token_only_policies`: certificate policies (OIDs) under which these authorities certify
    only keys on tokens.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data: Path = DEFAULT_DATA
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    origin: str = ""
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        default_factory=lambda: [ip_network("127.0.0.0/8"), ip_network("::1")]
    )
    trusted_signers: list[Path] = Field(default_factory=list)
    token_only_policies: list[ObjectIdentifier] = Field(default_factory=list)
    database: str = ""
    database_owner: str = ""
    files: str = ""
    school: SchoolSettings
    authority: str = "builtin"
    authorities: dict[str, dict[str, Any]] = Field(default_factory=dict)
    authority_rules: list[AuthorityRuleSettings] = Field(default_factory=list)
    representatives: list[Representative] = Field(default_factory=list)
    offices: dict[str, MailAddress] = Field(default_factory=dict)
    identity: str = "roster"
    identities: dict[str, dict[str, Any]] = Field(default_factory=dict)
    attestations: dict[str, dict[str, Any]] = Field(default_factory=dict)
    token: TokenSettings = TokenSettings()
    seal: dict[str, Any] = Field(default_factory=dict)
    timestamps: TimestampSettings = TimestampSettings()
    notaries: dict[str, dict[str, Any]] = Field(default_factory=dict)
    pdf_engine: Literal["own", "pyhanko"] = "own"
    full_check_every: int = Field(default=50, ge=1)
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    budgets: BudgetLimits = BudgetLimits()
    retention: Retention = Retention()
    seal_files: SealFilesSettings = SealFilesSettings()
    staff: StaffSettings = StaffSettings()
    oidc: OidcSettings = OidcSettings()
    alerts: list[str] = Field(default_factory=list)
    alerts_file: Path | None = None
    chats: dict[str, dict[str, Any]] = Field(default_factory=dict)
    app_link: AppLinkSettings = AppLinkSettings()
    poster_logo: Path | None = None
    logo: Path | None = None
    templates_dir: Path | None = None
    reminders: dict[str, Any] = Field(default_factory=dict)
    workers: int = Field(default=1, ge=1, le=64)
    work_host: str = "127.0.0.1"
    work_port: int = Field(default=0, ge=0, le=65535)
    metrics_token: SecretStr = SecretStr("")
    metrics_token_file: Path | None = None
    tls_certificate: Path | None = None

    @property
    def public_origin(self) -> str:
        return (self.origin or f"http://{self.host}:{self.port}").rstrip("/")

    def own_templates(self, kind: Literal["contracts", "messages"]) -> Path | None:
        """Return the school's own folder of this kind; None if there is none.

        Raises FileNotFoundError for a configured `templates_dir` that does not exist.
        """
        if self.templates_dir is not None and not self.templates_dir.is_dir():
            raise FileNotFoundError(f"templates_dir: there is no folder {self.templates_dir}")
        folder = (self.templates_dir or self.data / "templates") / kind
        return folder if folder.is_dir() else None

    def own_logo(self) -> Path | None:
        """Return the school's own logo for pages; None if there is none. A configured file need not exist."""
        usual = self.data / "templates" / "logo.png"
        return self.logo or (usual if usual.is_file() else None)

    @staticmethod
    def source_of(section: str, key: str) -> str:
        """Return where a wrong value was written: the file, or the environment variable."""
        variable = f"QIANDA_{section}__{key}".upper()
        if variable in {name.upper() for name in os.environ}:
            return variable
        own = own_file()
        found = own is not None and key in tomllib.loads(own.read_text("utf-8")).get(section, {})
        return str(own if found else SHIPPED)

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read all sources; `overrides` take precedence.

        Raises pydantic's ValidationError, FileNotFoundError for an own file that does not exist, and ValueError for one
        that is no TOML.
        """
        if (own := os.environ.get(OWN_FILE)) and not Path(own).is_file():
            raise FileNotFoundError(
                f"{OWN_FILE} names {own}, and there is no such file: correct the path, or unset the variable"
            )
        try:
            return cls(**overrides)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{own_file()} cannot be read: {error}") from error

    @classmethod
    def of_file(cls, own: Path) -> Settings:
        """Return the settings that `load` would give with this own file. Raises pydantic's ValidationError."""

        class _SettingsOfFile(cls):  # type: ignore[misc, valid-type]
            @classmethod
            def _files(cls) -> list[Path]:
                return [SHIPPED, own]

        return _SettingsOfFile()

    @classmethod
    def _files(cls) -> list[Path]:
        own = own_file()
        return [SHIPPED, own] if own else [SHIPPED]

    @classmethod
    def variables(cls) -> list[str]:
        """Return the name of every setting as an environment variable, including those inside a section."""
        found = []
        for name, field in cls.model_fields.items():
            found.append(f"{PREFIX}{name}".upper())
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found += [f"{PREFIX}{name}__{inner}".upper() for inner in field.annotation.model_fields]
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls._files())


def shipped_school() -> dict[str, Any]:
    """Return the invented school of the demo."""
    return dict(tomllib.loads(SHIPPED.read_text("utf-8"))["school"])


def written_file() -> Path:
    """Return where `qianda init --from` writes the configuration, even if it does not exist."""
    return Path(os.environ.get(f"{PREFIX}DATA") or DEFAULT_DATA) / CONFIGURATION


def own_file() -> Path | None:
    """Return the file that `QIANDA_CONFIG` names; otherwise the one in the data folder; None if there is neither."""
    if named := os.environ.get(OWN_FILE):
        return Path(named)
    return written_file() if written_file().is_file() else None


def configured_by() -> str:
    """Return where this hub was configured, for an error message."""
    return str(own_file() or "QIANDA_… variables")
