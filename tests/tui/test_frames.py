"""Frames that hold only what changed look as Textual's whole ones do, and steer nothing."""

from __future__ import annotations

import re

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.frames import Shown, _split

WIDTH, HEIGHT = 24, 4
TEXTS = st.text(st.sampled_from("ab     é│漢字👍"), max_size=WIDTH)
STYLES = st.builds(
    Style,
    color=st.sampled_from([None, "#d0d4da", "red", "default"]),
    bgcolor=st.sampled_from([None, "#101317", "#252c36", "blue"]),
    bold=st.booleans(),
    dim=st.booleans(),
    italic=st.booleans(),
    underline=st.sampled_from([None, True]),
    reverse=st.sampled_from([None, True]),
    strike=st.sampled_from([None, True]),
)
LINES = st.lists(st.builds(Segment, TEXTS, STYLES, st.none()), max_size=3).map(
    lambda segments: Strip(segments).adjust_cell_length(WIDTH)
)
FRAMES = st.lists(st.lists(LINES, min_size=HEIGHT, max_size=HEIGHT), min_size=1, max_size=5)


def console() -> Console:
    return Console(force_terminal=True, color_system="truecolor", legacy_windows=False)


def look(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """What is seen: on a space only its background and its lines."""
    seen = []
    for y in range(screen.lines):
        row = []
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            inked = cell.data.strip() or cell.underscore or cell.strikethrough or cell.reverse
            row.append(tuple(cell) if inked else (" ", cell.bg))
        seen.append(row)
    return seen


def parts(lines: list[Strip], cut: int) -> CompositorUpdate:
    """A partial update of two widgets side by side, the left one `cut` cells wide."""
    chops = [{0: line.crop(0, cut), cut: line.crop(cut, WIDTH)} for line in lines]
    spans = [(y, 0, WIDTH) for y in range(HEIGHT)]
    return ChopsUpdate(chops, spans, [[cut, WIDTH]] * HEIGHT)


@settings(deadline=None, max_examples=60)
@given(FRAMES, st.integers(1, WIDTH - 1))
def test_the_terminal_shows_the_same_as_with_whole_frames(frames: list[list[Strip]], cut: int) -> None:
    ours, theirs = (pyte.Screen(WIDTH, HEIGHT) for _ in range(2))
    lean, whole = pyte.Stream(ours), pyte.Stream(theirs)
    shown = Shown()
    for screen in (ours, theirs):
        screen.reset_mode(pyte.modes.DECAWM)
    for at, lines in enumerate(frames):
        layout = LayoutUpdate([[line] for line in lines], Region(0, 0, WIDTH, HEIGHT))
        update = parts(lines, cut) if at else layout
        lean.feed(shown.send(update, console()))
        theirs.reset()
        theirs.reset_mode(pyte.modes.DECAWM)
        whole.feed(update.render_segments(console()))
        assert look(ours) == look(theirs)
        assert ours.cursor.attrs == theirs.default_char, "the pen is plain between frames"


@settings(deadline=None, max_examples=60)
@given(FRAMES, st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_a_frame_cut_short_is_made_whole_by_the_next_ones(
    frames: list[list[Strip]], rooms: list[int]
) -> None:
    ours, theirs = (pyte.Screen(WIDTH, HEIGHT) for _ in range(2))
    lean, whole = pyte.Stream(ours), pyte.Stream(theirs)
    shown = Shown()
    for screen in (ours, theirs):
        screen.reset_mode(pyte.modes.DECAWM)
    for lines in frames:
        layout = LayoutUpdate([[line] for line in lines], Region(0, 0, WIDTH, HEIGHT))
        for room in rooms:
            lean.feed(shown.send(layout, console(), room))
    left = HEIGHT
    while not shown.whole:
        assert left, "each frame sends at least a row"
        left -= 1
        lean.feed(shown.send(layout, console(), 1))
    whole.feed(layout.render_segments(console()))
    assert look(ours) == look(theirs)


def test_where_every_frame_is_cut_each_row_has_its_turn() -> None:
    shown, screen = Shown(), pyte.Screen(WIDTH, HEIGHT)
    for letter in "abcdefghijklmnopqrstuvwxyz"[:HEIGHT]:
        layout = LayoutUpdate([[Strip([Segment(letter * WIDTH)])]] * HEIGHT, Region(0, 0, WIDTH, HEIGHT))
        pyte.Stream(screen).feed(shown.send(layout, console(), 1))
    assert all(line.strip() for line in screen.display)


@given(FRAMES)
def test_what_is_shown_already_is_not_sent_again(frames: list[list[Strip]]) -> None:
    shown = Shown()
    for lines in frames:
        layout = LayoutUpdate([[line] for line in lines], Region(0, 0, WIDTH, HEIGHT))
        shown.send(layout, console())
        assert shown.send(layout, console()) == ""
        shown.forget()
        assert shown.send(layout, console())


def test_a_line_is_left_alone_but_for_the_cell_that_changed() -> None:
    shown = Shown()

    def send(text: str) -> str:
        strip = Strip([Segment(text, Style(color="red"))])
        return shown.send(LayoutUpdate([[strip]], Region(0, 0, len(text), 1)), console())

    send("slow and steady")
    assert send("slow and ready ") == "\x1b[1;10H\x1b[31mready \x1b[m"
    assert send("Slow and ready!") == "\x1b[1;1H\x1b[31mS\x1b[13C!\x1b[m"


@given(st.text(st.characters(codec=None), max_size=60))
def test_no_cell_steers(text: str) -> None:
    cells = "".join(_split(text))
    assert not re.search("[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", cells)
    cells.encode()


def test_a_mark_stays_on_its_letter_even_where_the_colour_changes_between_them() -> None:
    strip = Strip([Segment("cafe", Style(bold=True)), Segment("\u0301 au lait")])
    layout = LayoutUpdate([[strip]], Region(0, 0, 12, 1))
    assert Shown().send(layout, console()) == "\x1b[1;1H\x1b[1mcafe\u0301 \x1b[22mau lait"


@pytest.mark.parametrize(
    "parts", [["z" + "\u0301" * 10_000], ["z", "\u0301" * 99], ["z\u0301" * 2, "\u0302" * 99]]
)
def test_marks_without_end_are_no_cell(parts: list[str]) -> None:
    strip = Strip([*(Segment(part) for part in parts), Segment("next")])
    sent = Shown().send(LayoutUpdate([[strip]], Region(0, 0, 9, 1)), console())
    assert not re.search("[\u0300-\u036f]{17}", sent)
    assert sent.startswith("\x1b[1;1Hz\u0301") and sent.endswith("next")


def test_behind_a_sign_that_terminals_count_differently_all_is_sent_again() -> None:
    shown = Shown()

    def send(left: str, right: str) -> str:
        strips = [Strip([Segment(text)]) for text in (left, right)]
        return shown.send(LayoutUpdate([strips], Region(0, 0, 9, 1)), console())

    send("ab ❤\ufe0f cd", "xy")
    assert send("aB ❤\ufe0f cd", "xy") == "\x1b[1;2HB", "what stands before it is certain"
    assert send("aB ❤\ufe0f ce", "xy") == "\x1b[1;4H\x1b[3X❤\ufe0f \x1b[7Gce\x1b[1;9Hxy"


@pytest.mark.parametrize("columns", [1, 2])
def test_what_follows_such_a_sign_stands_where_it_should_whatever_is_counted(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    counted = pyte.screens.wcwidth
    monkeypatch.setattr(pyte.screens, "wcwidth", lambda sign: counted(sign) if sign < "\u0300" else columns)
    screen = pyte.Screen(40, 2)
    shown = Shown()
    for text in ("old text all over the whole of the line", "Zoë 👩\u200d👩\u200d👧 नमस्ते राम     75  4"):
        strip = Strip([Segment(text)]).adjust_cell_length(40)
        pyte.Stream(screen).feed(shown.send(LayoutUpdate([[strip]], Region(0, 0, 40, 1)), console()))
    row, end = screen.buffer[0], Strip([Segment(text)]).cell_length
    assert "".join(row[x].data for x in range(end - 5, 40)).rstrip() == "75  4"
    assert not set("oldtxavrwhinf") & {row[x].data for x in range(4, end - 5)}


def test_what_such_a_sign_may_have_moved_is_sent_again_when_it_goes() -> None:
    shown = Shown()

    def send(*parts: str) -> str:
        strips = [Strip([Segment(text)]) for text in parts]
        return shown.send(LayoutUpdate([strips], Region(0, 0, 9, 1)), console())

    send("ab ❤\ufe0f cd y")
    assert send("ab SHEET", "y") == "\x1b[1;4HSHEETy", "whatever stands where the last cell should be"
    assert send("ab ----- y"[:8], "y") == "\x1b[1;4H-----"


def test_every_attribute_is_turned_off_again() -> None:
    from tui.frames import PLAIN, Look, _turn

    for bit in range(13):
        sent, pen = _turn(PLAIN, Look(1 << bit))
        assert pen == Look(1 << bit) and sent.startswith("\x1b[")
        assert _turn(pen, PLAIN)[0] not in ("", sent)
    both = Look(0b11)
    assert _turn(both, Look(0b01)) == ("\x1b[22;1m", Look(0b01))
