"""The server: contracts, their signers, links and messages, from the issue to the finished file."""
