"""Messages to signers: texts, deliveries, providers, budgets."""
