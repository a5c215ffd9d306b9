"""A small genuine package, made once."""

from __future__ import annotations

import asyncio

import pytest

from tests.evidence.small_package import SmallPackage, small_package


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> SmallPackage:
    return asyncio.run(small_package(tmp_path_factory.mktemp("package")))
