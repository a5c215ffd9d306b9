"""Choose the provider of a message, call it, and note what became of it."""
