"""Two themes of our own, and the names of the colours that the panes use.

A pane writes `$accent` for the AI sender and nothing else, `$muted` for what is secondary, `$faint`
for rules and gutters and never for words, `$bar` behind the selected row. In the terminal's own palette
these names fall back to the user's colours.
"""

from __future__ import annotations

import os
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

DARK = Theme(
    name="understudy-dark",
    primary="#7d8590",
    accent="#e3a857",
    foreground="#d0d4da",
    background="#101317",
    surface="#101317",
    panel="#181c22",
    warning="#e3a857",
    error="#e07a6a",
    success="#8fb573",
    dark=True,
    variables={
        "muted": "#8e96a1",
        "faint": "#6e7682",
        "rule": "#2a3038",
        "bar": "#252c36",
        "bar-blurred": "#1a1f26",
        "hit": "#f0c987",
        "input-cursor-background": "#d0d4da",
        "input-cursor-foreground": "#101317",
        "input-selection-background": "#3a4554",
        "screen-selection-background": "#3a4554",
        "scrollbar": "#6e7682",
        "scrollbar-hover": "#8e96a1",
        "scrollbar-active": "#8e96a1",
        "scrollbar-background": "#101317",
        "scrollbar-background-hover": "#101317",
        "scrollbar-background-active": "#101317",
    },
)

LIGHT = Theme(
    name="understudy-light",
    primary="#6b7280",
    accent="#9c4e00",
    foreground="#22262b",
    background="#fbfaf7",
    surface="#fbfaf7",
    panel="#f1efe9",
    warning="#9c4e00",
    error="#b3261e",
    success="#3f7a2b",
    dark=False,
    variables={
        "muted": "#60656d",
        "faint": "#83827a",
        "rule": "#dcd9d0",
        "bar": "#e9e4d8",
        "bar-blurred": "#f2efe7",
        "hit": "#8a3f00",
        "input-cursor-background": "#22262b",
        "input-cursor-foreground": "#fbfaf7",
        "input-selection-background": "#d8d2c2",
        "screen-selection-background": "#d8d2c2",
        "scrollbar": "#83827a",
        "scrollbar-hover": "#60656d",
        "scrollbar-active": "#60656d",
        "scrollbar-background": "#fbfaf7",
        "scrollbar-background-hover": "#fbfaf7",
        "scrollbar-background-active": "#fbfaf7",
    },
)

NAMES = ("dark", "light", "ansi")
"""The themes as the settings and the key T call them; ansi is the terminal's own palette."""


def textual_name(name: str) -> str:
    """Textual's name of one of ours. Of the palettes the one for the terminal's background, where it says."""
    if name != "ansi":
        return f"understudy-{name}"
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "ansi-light" if background in ("7", "15") else "ansi-dark"


FALLBACK = {
    "muted": "ansi_bright_black",
    "faint": "ansi_bright_black",
    "rule": "ansi_bright_black",
    "bar": "ansi_default",
    "bar-blurred": "ansi_default",
    "hit": "ansi_cyan",
}
"""Our names where the theme does not define them: the terminal's own palette."""


class Dim(LineFilter):
    """What is secondary in the terminal's own palette is dim: its bright black may be the background, as in
    Solarized."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(text, _dimmed(style) if style else None, control) for text, style, control in segments
        ]


class NoColour(LineFilter):
    """As NO_COLOR asks: no colour at all."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(text, style.without_color if style else None, control)
            for text, style, control in segments
        ]


_SECONDARY = 8
"""Bright black, which stands for grey."""


@lru_cache(1024)
def _dimmed(style: Style) -> Style:
    if style.color is None or style.color.number != _SECONDARY:
        return style
    return Style.from_color(None, style.bgcolor) + style.without_color + Style(dim=True)
