"""How a person comes in: their link, the code at the desk, the one-time code, and the check of their identity."""
