"""Where the project lies, for tests that run its commands or read what no wheel holds."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
