"""The code for a signer's or a stranger's machine: the client library, the verifier, and the command `qianda`."""
