"""What each request passes: its id, security headers and checks, limits, and the answer to an error."""
