"""Pages of the console about signers' devices."""
