"""The worker process: what is due, what is queued, and what is left over."""
