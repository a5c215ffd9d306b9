"""The hub over HTTP: the signer's way, the staff console, the integration API.

Handlers are thin: parse, one verb of the contract's life, answer.
"""
