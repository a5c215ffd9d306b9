"""Records, evidence packages and their proofs, legal holds, erasure, and retention."""
