"""The hub over HTTP: the pages and protocol for signers, the staff console, the integration API.

Handlers are thin: they parse the request, call one function of the lifecycle, and answer.
"""
