"""What a signer sees of a contract."""
