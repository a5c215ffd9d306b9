"""One wheel, and one empty environment with it, for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wheel import InstalledWheel, build_wheel, install_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> InstalledWheel:
    return install_wheel(wheel, tmp_path_factory.mktemp("elsewhere"))
