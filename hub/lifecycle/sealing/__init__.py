"""The steps from an accepted signature to a completed contract. `seals` and `jobs` are packages of their own."""
