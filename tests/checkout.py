"""The path of the project, for tests that run its commands or read files that no wheel contains."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
