"""Typed keys of the objects that the application provides to its handlers."""

from aiohttp import web

from hub.lifecycle.staff.check_password import PasswordGate
from hub.web.http.rate_limit import RateLimits
from hub.web.pages.page_images import PageImages
from hub.wiring import Hub

HUB = web.AppKey("hub", Hub)
PAGE_IMAGES = web.AppKey("page_images", PageImages)
RATE_LIMITS = web.AppKey("rate_limits", RateLimits)
PASSWORDS = web.AppKey("passwords", PasswordGate)
