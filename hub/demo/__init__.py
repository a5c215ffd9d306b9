"""The parts that only the demo has: the guard that keeps it away from real people, and its certificate for a phone in
the same network."""
