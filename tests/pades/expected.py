"""What the hub's database would contain about a finished contract, for the final check."""

from __future__ import annotations

import hashlib

from hub.documents.pades.check import Expected, ExpectedSignature
from qianda.verify.cms_check import check_detached
from qianda.verify.pdf.signed_file import SignedFile
from tests.signing_parts import SEAL, FinishedParts


def expected_of(made: FinishedParts, confirmations: dict[str, bytes] | None = None) -> Expected:
    chains = {name: issued.chain for name, issued in made.signers.items()} | {SEAL: made.pki.seal.chain}
    issued = made.revisions["unsigned"]
    signatures = [
        ExpectedSignature(name, chain[0], value_of(made.final, name), (confirmations or {}).get(name))
        for name, chain in chains.items()
    ]
    return Expected(
        hashlib.sha256(issued).hexdigest(),
        len(issued),
        signatures,
        frozenset(each for chain in chains.values() for each in chain),
        frozenset(made.pki.timestamps.certificates),
    )


def value_of(file: bytes, field: str) -> bytes:
    signed = SignedFile(file)
    signature = next(each for each in signed.signatures if each.name == field)
    start, length, resume, rest = signature.byte_range
    covered = file[start : start + length] + file[resume : resume + rest]
    return check_detached(signature.contents, lambda name: hashlib.new(name, covered).digest()).signature
