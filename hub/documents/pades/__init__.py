"""Write PAdES signatures as bytes behind a file whose plan is known, and check the finished file.

`source` reads the plan of a file, `update` writes one revision behind it, `steps` are the revisions of a contract's
life, `picture` and `cms` what stands in them, `check` the final check over our own bytes (`docs/file-format.md`).
"""
