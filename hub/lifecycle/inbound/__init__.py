"""Inbound traffic: webhooks from providers, inbound SMS, chat questions."""
