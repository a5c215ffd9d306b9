"""Rendering of pages: one template in one language."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import aiohttp_jinja2
from aiohttp import web

from hub.web.app_keys import CATALOGUES, HUB
from hub.web.i18n import HTML_LANGUAGES, Translate, language_of, remember_choice
from hub.web.logo import LOGO
from hub.web.scripts import SCRIPTS

# Path of the static files, with a version so that they can be cached for ever.
STATIC = web.AppKey("static", str)


def translator(request: web.Request, language: str | None = None) -> Translate:
    return request.config_dict[CATALOGUES].translator(language or language_of(request))


def page(
    request: web.Request, template: str, *, status: int = 200, language: str | None = None, **context: Any
) -> web.Response:
    """Render a page. `template`: path below `templates/pages`. Each template can use `_`, `lang`, `static`, `logo`,
    `scripts`, `origin`, `school` and `demo`."""
    lang = language or language_of(request)
    hub = request.config_dict[HUB]
    known = {
        "_": translator(request, lang),
        "lang": lang,
        "html_lang": HTML_LANGUAGES[lang],
        "static": request.config_dict[STATIC],
        "scripts": request.config_dict[SCRIPTS],
        "logo": request.config_dict[LOGO],
        "origin": hub.services.origin,
        "school": hub.settings.school.named(lang),
        "demo": hub.demo,
        "other_language": _in_other_language(request, lang),
    }
    response = aiohttp_jinja2.render_template(template, request, known | context, status=status)
    remember_choice(request, response)
    return response


def _in_other_language(request: web.Request, lang: str) -> str:
    """Return the relative URL of this page in the other language; empty if the request cannot be repeated."""
    if request.method not in ("GET", "HEAD"):
        return ""
    return "?" + urlencode({**request.query, "lang": "en" if lang == "zh" else "zh"})
