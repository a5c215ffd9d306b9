"""The database: tables and repositories. Rows are used only in this package."""
