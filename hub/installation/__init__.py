"""What belongs to one installation: its data folder, the keys on its tokens, its certificates, and what it trusts."""
