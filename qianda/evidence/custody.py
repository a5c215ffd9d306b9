"""Determine what a package, unlike the file alone, shows about the signers' keys: proved custody, and who checked
identities.

All of this is stated by the organisation whose seal signed the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from qianda.evidence import reasons
from qianda.evidence.reasons import BadPackage
from qianda.strict_json import read_json
from qianda.verify.elements import BAD_TO_GOOD, ElementAnswer, SigningParty, VerificationReport
from qianda.verify.findings import Element, Reason, Word

# Custody that the hub states only after a proof: a policy for tokens only, or an attestation by the platform.
PROVED: Final = ("usb-token", "app-keystore")
# The organisation's own roster does not count as a provider other than the relying party.
OWN_PROVIDER: Final = "roster"
MATCHED: Final = "matched"


def with_custody(document: VerificationReport, items: Mapping[str, bytes]) -> VerificationReport:
    """Return the report about the file with `exclusively owned` as the package shows it. Raises BadPackage."""
    parties = tuple(party if party.is_seal else _with_custody(party, items) for party in document.parties)
    owned = [answer for party in parties for answer in party.answers if answer.element is Element.OWNED]
    worst = min(owned, key=lambda answer: BAD_TO_GOOD.index(answer.word), default=None)
    answers = tuple(
        worst if worst and answer.element is Element.OWNED and answer.word is not Word.FAILED else answer
        for answer in document.document
    )
    return replace(document, parties=parties, document=answers)


def _with_custody(party: SigningParty, items: Mapping[str, bytes]) -> SigningParty:
    try:
        signer = read_json(items[f"signers/{party.field}/signer.json"])
        # A person may have signed several times. What counts is how the key whose signature is in the file was kept.
        used = [one for one in signer["signatures"] if one["certificate_sha256"] == party.certificate_sha256]
        custody = used[-1]["custody"]
        checks = [one for one in signer["identity"] if one["result"] == MATCHED and one["provider"] != OWN_PROVIDER]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise BadPackage(
            reasons.NOT_OF_A_CONTRACT.about(what=Reason(f"签署人 {party.field}", f"signer {party.field}"))
        ) from error
    if custody not in PROVED or not checks:
        return party
    shown = reasons.OWNED_SHOWN.about(custody=custody, provider=checks[-1]["provider"])
    return replace(
        party,
        answers=tuple(_raised(answer, ElementAnswer(Element.OWNED, Word.SHOWN, shown)) for answer in party.answers),
    )


def _raised(answer: ElementAnswer, shown: ElementAnswer) -> ElementAnswer:
    """Return the better answer. Only `declared` is raised; with the built-in authority it stays `not shown`."""
    return shown if answer.element is shown.element and answer.word is Word.DECLARED else answer
