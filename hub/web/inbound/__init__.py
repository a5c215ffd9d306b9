"""What other systems send us: callbacks of providers, and questions from chats."""
