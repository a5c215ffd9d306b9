"""Those outside the hub who judge it: authority, timestamp service and seal service, programs of their own that speak
the real protocols and keep raw ledgers."""

# As the seal service has them.
SEAL_CREDENTIAL, SEAL_ACCESS = "school-seal", "access-token-of-the-bench"
