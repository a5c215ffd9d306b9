"""Signing: links, sessions, codes, keys and signatures."""
