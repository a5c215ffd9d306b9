"""Seals: their life from application to archive, keys and certificates, grants, and the register of their uses."""
