"""The evidence package as files: container, signature, evidence record, report and CHECK.md.

`container` writes what `qianda.evidence` reads.
"""
