"""What these tests share: hubs that are lent to one test after another."""

from __future__ import annotations

from tests.lent_hubs import lender

__all__ = ["lender"]
