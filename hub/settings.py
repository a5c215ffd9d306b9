"""Settings: read once at the start from `config/default.toml`, an own TOML file and `QIANDA_…` variables, and passed
in.

A later source wins. `QIANDA_CONFIG` names the own file; nested values are written `QIANDA_TOKEN__PIN`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: templates, seeds and config lie beside the package."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class School(_Section):
    """Party A of every contract, and the organisation on the seal. Messages use the short names, where there are
    any."""

    name: str
    name_en: str = ""
    short_name: str = ""
    short_name_en: str = ""
    credit_code: str
    licence: str
    representative: str = ""

    def called(self, language: str) -> str:
        """As messages and pages call the school."""
        english = self.short_name_en or self.name_en
        return english if language == "en" and english else self.short_name or self.name


class TokenSettings(_Section):
    """The PKCS#11 token. `module` empty: SoftHSM in the data folder, as the demo has it. The PIN comes from a
    variable or a file."""

    module: str = ""
    label: str = "qianda"
    pin: str = ""
    pin_file: Path | None = None
    seal_key: str = "seal"


class TimestampSettings(_Section):
    """`builtin` is for trial and internal use. `rfc3161` asks `url`; `certificates` are the PEM files that are
    pinned."""

    kind: Literal["builtin", "rfc3161"] = "builtin"
    url: str = ""
    certificates: list[Path] = Field(default_factory=list)


class AndroidAppSettings(_Section):
    package: str
    fingerprints: list[str]


class AppLinkSettings(_Section):
    scheme: str = "qianda"
    ios_apps: list[str] = Field(default_factory=list)
    android_apps: list[AndroidAppSettings] = Field(default_factory=list)


class Settings(BaseSettings):
    """`origin` is the public address, from which every URL is built; `host` and `port` are what the server binds.

    `database` empty: the embedded one in `data`. `files` empty: a folder in `data`. `channels` maps what signers'
    ladders name to what sends it.
    """

    model_config = SettingsConfigDict(
        env_prefix="QIANDA_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    origin: str = ""
    database: str = ""
    database_owner: str = ""
    files: str = ""
    school: School
    authority: str = "builtin"
    token: TokenSettings = TokenSettings()
    timestamps: TimestampSettings = TimestampSettings()
    channels: dict[str, str] = Field(default_factory=dict)
    app_link: AppLinkSettings = AppLinkSettings()
    reminders: dict[str, Any] = Field(default_factory=dict)
    workers: int = Field(default=1, ge=1, le=64)

    @property
    def public_origin(self) -> str:
        return (self.origin or f"http://{self.host}:{self.port}").rstrip("/")

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """From all sources; `overrides` win over every one. Raises pydantic's ValidationError."""
        return cls(**overrides)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        files = [ROOT / "config" / "default.toml"]
        if own := os.environ.get("QIANDA_CONFIG"):
            files.append(Path(own))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, files)
