"""Render pages: one template in one language."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp_jinja2
from aiohttp import web
from markupsafe import Markup

from hub.web.pages.compression import ENCODING, pack, takes_gzip
from hub.web.pages.i18n import CATALOGUES, HTML_LANGUAGES, Translate, join_sentences, language_of, remember_choice
from hub.web.pages.logo import LOGO
from hub.web.pages.scripts import SCRIPTS

# Path of the static files. It contains a version, so that they can be cached forever.
STATIC = web.AppKey("static", str)
# Rendered pages that depend only on their values, plain and compressed.
RENDERED = web.AppKey("rendered", OrderedDict[tuple[object, ...], tuple[bytes, bytes]])
# Each page has about 10 KB. There is one for each combination of language, kind of device and state of the page.
MAX_KEPT_PAGES = 64
# The longest query of a page that is kept, in characters. A longer one was made up, and nobody else will request it.
MAX_KEPT_QUERY = 40


@dataclass(frozen=True)
class SiteFacts:
    """The values in the head of every page. `named`: the school's name by language."""

    origin: str
    named: Callable[[str], str]
    demo: bool = False


SITE = web.AppKey("site", SiteFacts)
_SENTENCE_END = re.compile(r"(?<=。)|(?<=\.) ")
_COMMAND = re.compile(r"`([^`]+)`")


def with_code(text: str) -> Markup:
    """Return a text as HTML. In the text, commands are in backquotes."""
    parts = enumerate(_COMMAND.split(text))  # every second part is a command
    return Markup("").join(Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in parts)


def as_heading(text: str) -> str:
    """Return the first sentence of a text, without its full stop."""
    return _SENTENCE_END.split(text, maxsplit=1)[0].rstrip("。.")


def below_heading(text: str) -> str:
    """Return what follows the first sentence of a text."""
    return "".join(_SENTENCE_END.split(text, maxsplit=1)[1:])


def translator(request: web.Request, language: str | None = None) -> Translate:
    return request.config_dict[CATALOGUES].translator(language or language_of(request))


def page(
    request: web.Request, template: str, *, status: int = 200, language: str | None = None, **context: Any
) -> web.Response:
    """Render a page. `template`: path below `templates/pages`. Each template can use `_`, `joined` (sentences), `lang`,
    `static`, `logo`, `scripts`, `origin`, `school` and `demo`."""
    lang = language or language_of(request)
    site = request.config_dict[SITE]
    known = {
        "_": translator(request, lang),
        "lang": lang,
        "html_lang": HTML_LANGUAGES[lang],
        "static": request.config_dict[STATIC],
        "scripts": request.config_dict[SCRIPTS],
        "logo": request.config_dict[LOGO],
        "origin": site.origin,
        "school": site.named(lang),
        "demo": site.demo,
        "joined": join_sentences,
        "other_language": _in_other_language(request, lang),
    }
    response = aiohttp_jinja2.render_template(template, request, known | context, status=status)
    remember_choice(request, response)
    return response


def page_for_all(request: web.Request, template: str, **context: Any) -> web.Response:
    """Render a page that depends only on these values, which must be hashable. The same values always give the same
    bytes, which are kept, so a changed template takes effect only after a restart."""
    lang = language_of(request)
    other = _in_other_language(request, lang)
    key = (template, lang, other, *sorted(context.items()))
    kept = request.config_dict[RENDERED]
    if key in kept:
        kept.move_to_end(key)
        return _sent(request, *kept[key])
    body = page(request, template, language=lang, **context).body
    assert isinstance(body, bytes)
    both = (body, pack(body))
    if len(other) <= MAX_KEPT_QUERY:
        kept[key] = both
        if len(kept) > MAX_KEPT_PAGES:
            kept.popitem(last=False)
    return _sent(request, *both)


def _sent(request: web.Request, body: bytes, compressed: bytes) -> web.Response:
    headers = {"Content-Type": "text/html; charset=utf-8", "Vary": "Accept-Encoding"}
    if takes_gzip(request):
        response = web.Response(body=compressed, headers=headers | {"Content-Encoding": ENCODING})
    else:
        response = web.Response(body=body, headers=headers)
    remember_choice(request, response)
    return response


def _in_other_language(request: web.Request, lang: str) -> str:
    """Return the relative URL of this page in the other language; empty if the request cannot be repeated."""
    if request.method not in ("GET", "HEAD"):
        return ""
    return "?" + urlencode({**request.query, "lang": "en" if lang == "zh" else "zh"})
