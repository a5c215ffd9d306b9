"""Check an evidence package as a stranger: container, manifest, signature and evidence record.

Nothing here imports the hub. Sources: ETSI EN 319 162-1 (ASiC-E with CAdES), RFC 4998 (evidence records).
"""
