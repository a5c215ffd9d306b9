"""The contract, its signers and their tasks."""
