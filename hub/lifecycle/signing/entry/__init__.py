"""How a person gets in: their link, the code at the desk, the one-time code, and the check of their identity."""
