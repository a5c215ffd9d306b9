"""When the next message is due, and the due step."""
