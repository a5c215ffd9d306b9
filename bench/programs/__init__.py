"""The programs that a bench starts, watches and kills."""
