"""The tables. Their rows are used inside `hub.store` only; it returns the frozen dataclasses of `hub.model`.

Each table that belongs to a campus has a column `campus`, which row-level security compares with the transaction's
scope. Columns named `*_sealed` are encrypted (AES-GCM); `*_hash` are keyed hashes by which encrypted values are found.
Importing this package declares all of them in `metadata`.
"""

from hub.store.tables import (
    board as board,
    contract as contract,
    evidence as evidence,
    inbound as inbound,
    messaging as messaging,
    reminders as reminders,
    reports as reports,
    school as school,
    sealing as sealing,
    server as server,
    signing as signing,
    staff as staff,
)
