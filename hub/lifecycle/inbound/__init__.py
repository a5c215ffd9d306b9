"""Inbound traffic: callbacks from providers, inbound SMS, chat questions."""
