"""The contract and its case."""
