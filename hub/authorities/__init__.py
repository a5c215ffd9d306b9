"""Authorities: they issue certificates, revoke them and answer for them."""
