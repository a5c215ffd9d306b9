"""The audit record and retention."""
