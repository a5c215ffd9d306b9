"""The database server: embedded PostgreSQL, its account, the schema."""
