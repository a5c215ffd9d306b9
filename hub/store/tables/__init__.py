"""The tables. Their rows are used inside `hub.store` only; it returns the frozen dataclasses of `hub.model`.

Each table that belongs to a campus has a column `campus`, which row-level security compares with the transaction's
scope. Columns named `*_sealed` are encrypted (AES-GCM); `*_hash` are keyed hashes by which encrypted values are found.
Importing this package declares all of them in `metadata`.
"""

from hub.store.tables import board as board
from hub.store.tables import contract as contract
from hub.store.tables import evidence as evidence
from hub.store.tables import inbound as inbound
from hub.store.tables import messaging as messaging
from hub.store.tables import reminders as reminders
from hub.store.tables import reports as reports
from hub.store.tables import school as school
from hub.store.tables import sealing as sealing
from hub.store.tables import server as server
from hub.store.tables import signing as signing
from hub.store.tables import staff as staff
