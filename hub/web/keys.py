"""What the application carries for its handlers, by typed keys."""

from __future__ import annotations

from aiohttp import web

from hub.web.brakes import Brakes
from hub.web.languages import Catalogues
from hub.web.pictures import PageImages
from hub.wiring import Hub

HUB = web.AppKey("hub", Hub)
CATALOGUES = web.AppKey("catalogues", Catalogues)
PAGE_IMAGES = web.AppKey("page_images", PageImages)
BRAKES = web.AppKey("brakes", Brakes)
