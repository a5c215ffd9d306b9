"""Read in one statement the facts on which a message to a signer depends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.errors import BadInput
from hub.model.contract.signer import Signer
from hub.model.school.course import Campus
from hub.model.signing.link import SignLink
from hub.store.encryption.cipher import Cipher
from hub.store.kernel.connection import Connection
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.opt_outs import list_covered
from hub.store.messaging.pause import SendingPauses
from hub.store.signing.links import LASTING_LINKS, Wanted, read_links

_FACTS = SqlStatement(f"""
SELECT campus.*, signer.id AS signer, signer.contract, signer.campus,
    ARRAY(SELECT channel FROM opt_out WHERE number_hash = :number) AS silent,
    EXISTS (SELECT FROM delivery WHERE key = :key) AS is_written,
    EXISTS (SELECT FROM sending_pause) AS is_paused,
    ({LASTING_LINKS} WHERE sign_link.signer = signer.id AND revoked_at IS NULL AND expires_at IS NULL) AS links
FROM signer JOIN campus ON campus.id = signer.campus WHERE signer.id = :signer
""")  # noqa: S608 - text of ours


@dataclass(frozen=True)
class MessageFacts:
    """The facts for one message. `silent`: channels that the number has opted out of. `is_written`: an attempt for this
    intent exists. `links`: the signer's permanent links."""

    campus: Campus
    silent: frozenset[str]
    is_written: bool
    links: Mapping[Wanted, SignLink]


class MessageFactsReader:
    def __init__(self, connection: Connection, cipher: Cipher, pause: SendingPauses) -> None:
        self._connection, self._cipher, self._pause = connection, cipher, pause

    async def get(self, signer: Signer, key: str) -> MessageFacts:
        """Return the facts for a message with the intent `key`. Raises BadInput if the campus is unknown.

        Whether sending is paused is read too: `SendingPauses.is_on` returns it without another statement.
        """
        values = {"signer": signer.id, "key": key, "number": self._cipher.found_by("phone", signer.phone)}
        row = (await self._connection.execute(_FACTS, values)).first()
        if row is None:
            raise BadInput(f"there is no campus {signer.campus}", field="campus")
        self._pause.remember(is_on=row["is_paused"])
        campus = Campus(**{name: row[name] for name in Campus.__dataclass_fields__})
        links = {(link.signer, link.door): link for link in read_links(row)}
        return MessageFacts(campus, list_covered(row["silent"]), row["is_written"], links)
