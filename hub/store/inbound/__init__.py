"""Inbound traffic: callbacks of providers, inbound SMS, chat accounts."""
