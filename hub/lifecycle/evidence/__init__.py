"""Evidence packages and their proofs, legal holds, erasure of personal data, and retention."""
