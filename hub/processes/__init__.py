"""Web and workers as processes: the supervisor, its children, and what they share.

The supervisor stays small, so nothing here imports at its top what only a child needs.
"""
