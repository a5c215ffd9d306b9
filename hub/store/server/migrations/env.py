"""Alembic's environment: it runs on the connection that `server.migrate` hands over, never on an address of its own."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
