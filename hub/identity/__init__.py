"""Who a signer is: checks of a person's identity."""
