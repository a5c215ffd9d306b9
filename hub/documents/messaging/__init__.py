"""Message texts as files."""
