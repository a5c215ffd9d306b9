"""The parts that only the demo has: the guard that keeps it from real people, and its certificate for a phone
nearby."""
