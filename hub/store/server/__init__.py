"""The database server: embedded PostgreSQL, its system account, the schema."""
