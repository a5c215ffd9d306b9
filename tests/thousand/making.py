"""Many finished contracts of different kinds, each laid out, signed, sealed and closed by the product's own steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.fonts import ContractFont
from hub.tokens.softkey import SoftKey
from tests.documents.contract_samples import TEMPLATES, adult, minor
from tests.signing_parts import SEAL, Pki, RsaKey, finished_contract
from tests.thousand.renewing import RenewedShare, YearsLater, renewed_packages
from tests.verify.genuine_files import pictures

FAMILY, GIVEN = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗", "小明子涵雨桐浩然欣怡一诺梓萱宇轩若溪"
# One contract in so many has it.
RSA_EVERY, PICTURES_EVERY, ADULT_EVERY = 10, 3, 4


@dataclass(frozen=True)
class MadeContract:
    """A finished file, and its signature fields in the order of signing."""

    path: Path
    fields: tuple[str, ...]


@dataclass(frozen=True)
class MadeShare:
    """Contracts of one authority. `trust`: whom to trust (PEM); `renewed`: packages of some of them, years later."""

    trust: Path
    contracts: list[MadeContract]
    renewed: RenewedShare | None


def make_contracts(folder: Path, numbers: range, renew: range) -> MadeShare:
    """Make contracts of one authority, and packages with a renewed evidence record of those that `renew` has."""
    return asyncio.run(_make(folder, numbers, renew))


async def _make(folder: Path, numbers: range, renew: range) -> MadeShare:
    folder.mkdir(parents=True, exist_ok=True)
    clock = YearsLater()
    pki, writer = await Pki.make(clock), ClauseWriter()
    printer = ContractPrinter(ContractTemplates(TEMPLATES), writer, ContractFont())
    made = {number: await _one(folder, pki, printer, number) for number in numbers}
    writer.close()
    trust = pki.write_trust(folder / "trusted.pem")
    finals = {each.path: each.fields[:-1] for number, each in made.items() if number in renew}
    renewed = await renewed_packages(folder, (pki, clock), finals) if finals else None
    return MadeShare(trust, list(made.values()), renewed)


async def _one(folder: Path, pki: Pki, printer: ContractPrinter, number: int) -> MadeContract:
    name = FAMILY[number % len(FAMILY)] + GIVEN[number * 7 % len(GIVEN)] + GIVEN[number * 3 % len(GIVEN)]
    grown = number % ADULT_EVERY == 0
    signers: Sequence[str] = ("student-1",) if grown else ("guardian-1", "guardian-2")[: 1 + number % 2]
    data = adult(f"Maria Gonzalez {number}") if grown else minor(name, guardians=len(signers))
    data = replace(data, number=f"HF-2026-{number:06}")
    document = printer.lay_out("course", "en" if grown else "zh", data).pdf
    make_key: Callable[[str], SoftKey | RsaKey] = RsaKey if number % RSA_EVERY == 0 else SoftKey.generate
    shown = pictures() if number % PICTURES_EVERY == 0 else {}
    appearances = {field: shown[field] for field in (*signers, SEAL) if field in shown}
    signing: dict[str, Any] = {
        "signers": signers,
        "names": (name, "李雷"),
        "appearances": appearances,
        "make_key": make_key,
    }
    parts = await finished_contract(folder, pki=pki, document=document, **signing)
    path = folder / f"{number:05}.pdf"
    path.write_bytes(parts.final)
    return MadeContract(path, (*signers, SEAL))
