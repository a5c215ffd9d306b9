"""The people, systems, providers and attackers that a bench invents."""
