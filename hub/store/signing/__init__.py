"""Links, sessions, pairings, keys, certificates and signature requests."""
