"""Messages on their way to a person."""
