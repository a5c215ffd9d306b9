"""Write PAdES signatures as bytes appended to a file whose plan is known, and check the finished file.

`source` reads the plan of a file. `update` appends one revision. `steps` are the revisions in a contract's life,
`picture` and `cms` their contents. `check` is the final check of our own bytes (`docs/file-format.md`).
"""
