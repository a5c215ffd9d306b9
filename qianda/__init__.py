"""What runs on a signer's or a stranger's machine: client library, verifier, command."""
