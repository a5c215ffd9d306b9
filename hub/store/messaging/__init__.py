"""Deliveries, budgets, opt-outs, providers and the outbox."""
