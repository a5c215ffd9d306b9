"""The items of an addendum: the record's later entries, the renewed evidence record, and how to check them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hub.documents.evidence.package_items import hash_line
from hub.model.evidence.addendum import LaterFacts, addendum_head, revocations_text
from hub.model.evidence.package import head_text
from hub.model.evidence.record import entry_text
from qianda.evidence.addendum import ADDENDUM, LATER_PROOF, REVOCATIONS
from qianda.evidence.contents import HASHES, HEAD, RECORD

ADDENDUM_TEXT: Final = """# 补充材料 Addendum
此文件补充同一合同的证据包，记载证据包签名之后发生的事项。证据包本身没有任何改动。
This file adds to the evidence package of the same contract what happened after the package was signed. Nothing of the
package has changed.

`addendum.json` 写明所补充的证据包 (SHA-256)。 says which package it belongs to.
`record/record.jsonl` 接续证据包中的存证记录，每一条含有前一条的散列值。 goes on where the record in the
package ends: each entry has the hash of the one before it.
`proof/evidencerecord.ers` 续期后的证据记录（如有）。 the renewed evidence record (RFC 4998), if there is one.

`revocations.json` 此后被吊销的证书（如有）；吊销之前的签名仍然有效。 certificates that were revoked since; what
they signed before stays valid.

    qianda verify evidence.zip addendum.zip
    openssl cms -verify -binary -inform DER -in META-INF/signature001.p7s \\
      -content META-INF/ASiCManifest001.xml -CAfile trusted.pem -purpose any -out /dev/null
"""


def addendum_items(facts: LaterFacts, lists: Sequence[bytes], made_at: datetime) -> dict[str, bytes]:
    """Return the items by their names. `lists`: revocation lists of the seal's certificate as they are now. Pure."""
    items = {ADDENDUM: addendum_head(facts, made_at), "ADDENDUM.md": ADDENDUM_TEXT.encode()}
    if facts.entries:
        items[RECORD] = "".join(f"{entry_text(entry)}\n" for entry in facts.entries).encode()
        last = facts.entries[-1]
        items[HEAD] = head_text(facts.number, facts.contract, last.sequence, last.digest).encode()
    if facts.revocations:
        items[REVOCATIONS] = revocations_text(facts.revocations)
    if facts.proof:
        items[LATER_PROOF] = facts.proof
    items |= {f"trust/list-{number:03}.crl": each for number, each in enumerate(lists, start=1)}
    return items | {HASHES: "".join(hash_line(*each) for each in items.items()).encode()}
