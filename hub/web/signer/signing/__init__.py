"""The signing protocol: links, sessions, codes, keys and signatures."""
