"""Outside services whose ledgers judge the hub: authority, timestamp service and seal service.

They are separate programs that speak the real protocols.
"""

# The seal service's credential id and access token.
SEAL_CREDENTIAL, SEAL_ACCESS = "school-seal", "access-token-of-the-bench"
