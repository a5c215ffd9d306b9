"""Choose the language in which the command writes."""

from __future__ import annotations

import os
from enum import StrEnum


class Language(StrEnum):
    ZH = "zh"
    EN = "en"


def language_of_environment() -> Language:
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return Language.ZH if locale.lower().startswith("zh") else Language.EN
