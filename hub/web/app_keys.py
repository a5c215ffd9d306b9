"""Typed keys of the objects that the application provides to its handlers."""

from __future__ import annotations

from aiohttp import web

from hub.lifecycle.staff.check_password import PasswordGate
from hub.web.i18n import Catalogues
from hub.web.page_images import PageImages
from hub.web.rate_limit import RateLimits
from hub.wiring import Hub

HUB = web.AppKey("hub", Hub)
CATALOGUES = web.AppKey("catalogues", Catalogues)
PAGE_IMAGES = web.AppKey("page_images", PageImages)
RATE_LIMITS = web.AppKey("rate_limits", RateLimits)
PASSWORDS = web.AppKey("passwords", PasswordGate)
