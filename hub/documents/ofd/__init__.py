"""OFD (GB/T 33190): the contract as an OFD, its signatures (GB/T 35275) and electronic seals (GB/T 38540).

`docs/adr/0029-ofd-and-sm2.md` says how the pages get there and why. `qianda.ofd` reads what this package writes.
"""
