"""A finished contract and its trust anchors, made once."""

from __future__ import annotations

import asyncio

import pytest

from qianda.verify.trust import Trust
from tests.signing_parts import FinishedParts, finished_contract
from tests.verify.reading import SIGNERS


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FinishedParts:
    """Return a contract that a guardian and a student signed, and the school sealed."""
    return asyncio.run(finished_contract(tmp_path_factory.mktemp("contract"), signers=SIGNERS))


@pytest.fixture(scope="session")
def trust(contract: FinishedParts) -> Trust:
    return Trust.load([contract.trust_pem])
