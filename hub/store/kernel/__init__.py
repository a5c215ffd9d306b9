"""What all repositories use: the pool, connections, statements, what waits to be written, and their base classes."""
