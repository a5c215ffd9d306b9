"""The verbs of a contract's life, room by room. ARCHITECTURE.md tells how a contract flows through them."""
