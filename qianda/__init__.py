"""What runs on the machine of a signer or of a stranger: the client library, the verifier, and the command `qianda`."""
