"""The server: contracts, their signers, links and messages, from the issue of a contract to its finished file."""
