"""`qianda agent`: signs with the USB token of the signer, on their own computer (needs the extra `agent`).

It calls the hub, and nobody can call it. What is signed it downloads, hashes and checks itself; the PIN is asked in its
own terminal, given to the token once, and goes nowhere else.
"""
