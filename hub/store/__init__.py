"""The database: all rows stay in here."""
