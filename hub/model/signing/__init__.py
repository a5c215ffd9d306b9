"""Links, sessions, keys and signature requests: the steps from a link to an accepted signature."""
