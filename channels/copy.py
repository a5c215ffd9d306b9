"""A link as plain text, for staff who paste it into a chat of their own."""

from __future__ import annotations

from channels import Doorway, Rendering


class Copy:
    def render(self, doorway: Doorway) -> Rendering:
        return Rendering(doorway.url)
