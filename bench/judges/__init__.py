"""What decides whether files and ledgers of a bench are as they have to be."""
