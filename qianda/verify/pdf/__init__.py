"""Verify a PDF of Qianda: its revisions, what its signatures cover and show, and their chains."""
