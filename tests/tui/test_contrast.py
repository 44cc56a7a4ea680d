"""Every word in the pictures of our own themes can be read: 4.5 to 1 by WCAG, gutters 3 to 1.

The pictures are what the screen shows, which test_pictures.py checks. The bar of a scroll, the curve and the
rule between panes are drawn and are no words; what a sheet covers is not meant to be read.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui.themes import DARK, LIGHT

PICTURES = Path(__file__).parents[2] / "docs" / "screens"
THEMES = {theme.background: theme for theme in (DARK, LIGHT)}

RECTANGLE = re.compile(
    r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="(#\w{6})"/>'
)
TEXT = re.compile(r'<text x="([\d.]+)" y="([\d.]+)" [^>]*?fill="(#\w{6})"[^>]*>([^<]*)<')


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(svg: str) -> list[tuple[str, str, str]]:
    """(words, their colour, the colour behind them); of a sheet alone where one lies over the pane."""
    ground = re.search(r'rx="8" fill="(#\w{6})"', svg)
    assert ground is not None
    theme = THEMES.get(ground[1])
    if theme is None:
        return []  # the terminal's own palette
    behind = [(*map(float, found[:4]), found[4]) for found in RECTANGLE.findall(svg) if found[3] == "20"]
    pieces = []
    for x, y, colour, words in TEXT.findall(svg):
        at, top = float(x), float(y) - 15
        under = [fill for left, y0, width, _, fill in behind if y0 == top and left - 0.1 <= at < left + width]
        pieces.append((words, colour, under[-1] if under else ground[1]))
    sheet = [piece for piece in pieces if piece[2] == theme.panel]
    if sheet:
        return [piece for piece in pieces if piece[2] in (theme.panel, theme.variables["bar"])]
    return pieces


def test_every_word_of_the_pictures_can_be_read() -> None:
    seen: dict[tuple[str, str], str] = {}
    for path in PICTURES.glob("*.svg"):
        for words, colour, behind in readable(path.read_text(encoding="utf-8")):
            if words == "·":
                continue  # a gutter
            seen.setdefault((colour, behind), f"{words} in {path.stem}")
    assert len({behind for _, behind in seen}) >= 6, "the grounds, bars and sheets of both themes"
    poor = {where: round(contrast(*pair), 2) for pair, where in seen.items() if contrast(*pair) < 4.5}
    assert not poor


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_gutters_and_scroll_bars_can_be_seen(theme: object) -> None:
    assert isinstance(theme, type(DARK))
    names = theme.variables
    for behind in (theme.background, theme.panel, names["bar"], names["bar-blurred"]):
        for sign in ("faint", "scrollbar"):
            assert contrast(names[sign], str(behind)) >= 3, (sign, behind)
