"""What a signature needs of a file: its steps, its stamps, and what a signer uploads."""
