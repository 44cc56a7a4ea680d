"""The screen without boxes, for screen readers: drawn signs become spaces or words.

A filter on every line that is painted, so that no pane has to know: what is drawn (rules, gutters, bars,
curves) goes, and what only separates becomes a comma. It takes such signs out of messages too; copying
gives them as they are.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.dom import DOMNode
from textual.filter import LineFilter

_DRAWN = [*range(0x2500, 0x25A0), *range(0x2800, 0x2900)]
"""Box drawing, blocks, braille."""

_SIGNS = dict.fromkeys(_DRAWN, " ") | {
    ord("·"): " ",
    ord("▸"): ">",
    ord("✓"): "*",
    ord("✗"): "x",
    ord("○"): "o",
    ord("↓"): " ",
    ord("↑"): " ",
}


def plain(node: DOMNode) -> bool:
    """Whether the screen that `node` is on has no boxes."""
    return not getattr(node.app, "boxes", True)


class Plain(LineFilter):
    """Replaces signs of one cell by others of one cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(segment.text.replace(" · ", ",  ").translate(_SIGNS), segment.style)
            for segment in segments
        ]
