"""Contracts as files: lay them out, show their pages, prepare signatures and close them."""
