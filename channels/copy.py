"""A link as plain text, for staff to paste into a chat."""

from __future__ import annotations

from channels import Doorway, Rendering


class Copy:
    def render(self, doorway: Doorway) -> Rendering:
        return Rendering(doorway.url)
