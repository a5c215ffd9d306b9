"""The steps from a link to an accepted signature: sessions, codes, keys, certificates, signatures."""
