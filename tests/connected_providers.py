"""A test's own providers in place of the configured ones."""

from __future__ import annotations

import random

from channels import Channel
from hub.model.messaging.provider import ProviderSettings
from hub.router.providers import Provider, ProviderSet

FAST = 1000.0


def carried_by(**channels: Channel) -> ProviderSet:
    """Return one provider for each channel (`sms=…`), of the same name."""
    providers = [Provider(ProviderSettings(name, name, name, rate=FAST), each) for name, each in channels.items()]
    return ProviderSet(providers, random.random)
