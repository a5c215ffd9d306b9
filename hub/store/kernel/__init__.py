"""Cipher, keys, files, jobs, periodic tasks, heartbeats: what all repositories use."""
