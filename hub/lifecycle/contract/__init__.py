"""Issuing, ending and reissuing contracts."""
