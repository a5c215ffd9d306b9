"""Inbound traffic: webhooks of providers, inbound SMS, chat accounts."""
