"""The language of a visitor, and translations.

Templates contain the English texts, `templates/languages/*.zh.po` the Chinese ones, and `one.en.po` the English ones
about a single thing ("1 contract"). The language is chosen by the first of these that is known: `?lang=`, the visitor's
earlier choice (cookie), the signer's language on file, Accept-Language. Otherwise it is Chinese.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from babel import negotiate_locale
from babel.messages.pofile import read_po

DEFAULT = "zh"
LANGUAGES = ("zh", "en")
COOKIE = "qianda-language"
CHOICE_SECONDS = 365 * 86400
HTML_LANGUAGES = {"zh": "zh-CN", "en": "en"}

# Marks that are as wide as a letter: no space follows them.
FULL_WIDTH = ("：", "。", "；", "！", "？", "”", "）")

Translate = Callable[..., str]


@dataclass(frozen=True)
class Catalogues:
    """Translations. `texts`: language → {English text: translated text}. The English ones are singular forms, which are
    used if the first value is 1."""

    texts: dict[str, dict[str, str]]

    @classmethod
    def read(cls, folder: Path) -> Catalogues:
        """Read all files `NAME.LANGUAGE.po` in the folder, in the order of their names."""
        texts: dict[str, dict[str, str]] = {}
        for path in sorted(folder.glob("*.po")):
            language = path.suffixes[-2].lstrip(".")
            with path.open("rb") as file:
                catalogue = read_po(file, locale=language, abort_invalid=True)
            found = {str(message.id): str(message.string) for message in catalogue if message.id and message.string}
            texts.setdefault(language, {}).update(found)
        return cls(texts)

    def translator(self, language: str) -> Translate:
        """Return a function for `_("Sign by {deadline}", deadline="…")`. Untranslated texts stay English."""
        known = self.texts.get(language, {})
        only_for_one = language == "en"

        def translate(text: str, **values: object) -> str:
            is_known = not only_for_one or str(next(iter(values.values()), "")) == "1"
            words = known.get(text, text) if is_known else text
            return words.format(**values) if values else words

        return translate


CATALOGUES = web.AppKey("catalogues", Catalogues)


def join_sentences(*sentences: str) -> str:
    """Join sentences, without the empty ones, with a space each; no space follows a full-width mark."""
    return "".join(each if each.endswith(FULL_WIDTH) else f"{each} " for each in sentences if each).rstrip()


def chosen_language(request: web.Request) -> str | None:
    """Return the language that the visitor chose, by `?lang=` now or earlier; None if they chose none."""
    for wanted in (request.query.get("lang"), request.cookies.get(COOKIE)):
        if wanted in LANGUAGES:
            return wanted
    return None


def accepted_language(request: web.Request) -> str | None:
    """Return the best match for Accept-Language (RFC 9110 12.5.4); None without that header."""
    weighed = [_weighed(part) for part in request.headers.get("Accept-Language", "")[:200].split(",")]
    wanted = [name for weight, name in sorted(weighed, key=lambda item: -item[0]) if weight > 0 and name]
    return negotiate_locale(wanted, LANGUAGES, sep="-") if wanted else None


def language_of(request: web.Request, on_file: str | None = None) -> str:
    """Return the language of the answer. `on_file`: the signer's language, if the signer is known."""
    return chosen_language(request) or on_file or accepted_language(request) or DEFAULT


def remember_choice(request: web.Request, response: web.StreamResponse) -> None:
    """Store a choice made by `?lang=` in a cookie."""
    wanted = request.query.get("lang")
    if wanted in LANGUAGES and wanted != request.cookies.get(COOKIE):
        response.set_cookie(COOKIE, wanted, max_age=CHOICE_SECONDS, path="/", httponly=True, samesite="Lax")


def _weighed(part: str) -> tuple[float, str]:
    name, _, weight = part.strip().partition(";q=")
    try:
        return float(weight or 1), name.strip()
    except ValueError:
        return 0.0, ""
