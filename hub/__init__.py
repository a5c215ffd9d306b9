"""The server: contracts, their signers, links and messages, from issue to the finished file."""
