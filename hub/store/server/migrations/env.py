"""Alembic's environment: it uses the connection that `server.migrate` passes to it, never an address of its own."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
