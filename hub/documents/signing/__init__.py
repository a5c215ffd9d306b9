"""Signatures in files: the engines that write them, their stamps, and the files that signers upload."""
