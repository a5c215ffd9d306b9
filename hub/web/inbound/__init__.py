"""What other systems send us: webhooks of providers, and questions from chats."""
