"""Seal files of other systems, PDF and OFD: read them in a limited child, sign here, and append the result to the file.

`file_sealer` is what the hub uses; `sealing_child` is the child's part, which reads files from unknown sources.
"""
