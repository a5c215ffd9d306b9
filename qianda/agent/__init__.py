"""`qianda agent`: sign with the signer's USB token, on the signer's own computer (needs the extra `agent`).

The agent calls the hub; nobody can call the agent. It downloads, hashes and checks the document that is to be signed.
It asks for the PIN in its own terminal, passes it to the token once, and sends it nowhere else.
"""
