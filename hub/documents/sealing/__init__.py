"""Seal files of other systems, PDF and OFD: read in a limited child, signed here, written behind what is there.

`file_sealer` is what the hub uses; `sealing_child` is the child's part, which reads a file that anybody may have made.
"""
