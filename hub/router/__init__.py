"""Choose the provider of a message, call it, and record the outcome."""
