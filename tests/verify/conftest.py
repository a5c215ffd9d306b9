"""A finished contract and whom to trust for it, made once."""

from __future__ import annotations

import asyncio

import pytest

from qianda.verify.trust import Trust
from tests.signing_parts import FinishedParts, finished_contract
from tests.verify.reading import SIGNERS


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FinishedParts:
    """A guardian and a student signed, the school sealed."""
    return asyncio.run(finished_contract(tmp_path_factory.mktemp("contract"), signers=SIGNERS))


@pytest.fixture(scope="session")
def trust(contract: FinishedParts) -> Trust:
    return Trust.load([contract.trust_pem])
