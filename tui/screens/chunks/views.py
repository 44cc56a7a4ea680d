"""What the pane draws: the recipe in words, the list of chunks, one chunk in full."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.safe_text import safe_line, safe_text
from tui.screens.chunks.making import Made, bars, learned_in, turn_costs
from tui.widgets.cells import day, fit, number, plural, right, short_date, spread, wrap
from tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from engine.dataset import Chunk, Dataset, Turn

WIDEST = 96
NOTES = 8
"""Notes of the checks that are told in full beside a chunk, of those that several chunks have."""
LEAST_NAME = 12
"""Cells of a name at the least, before the numbers of the messages give way to it."""
SPLITS = {"train": "train", "valid": "validation", "test": "kept for the test"}


class ChunkList(LineList):
    """Number, conversation, date, turns, tokens; `!` where there is a problem."""

    def __init__(self) -> None:
        super().__init__(id="chunks")
        self.chunks: Sequence[Chunk] = ()
        self.faults: Mapping[int, object] = {}
        self.times: dict[int, int] = {}

    def list(self, made: Made) -> None:
        self.chunks, self.faults, self.times = made.dataset.chunks, made.faults, {}
        self.show(len(self.chunks), min(self.cursor, max(0, len(self.chunks) - 1)))

    @property
    def current(self) -> Chunk | None:
        return self.chunks[self.cursor] if self.cursor < len(self.chunks) else None

    @property
    def undated(self) -> Sequence[Chunk]:
        """Chunks in view, and a page around it, of which the date is not known yet."""
        top, height = self.scroll_offset.y, max(1, self.size.height)
        around = self.chunks[max(0, top - height) : top + 2 * height]
        return [chunk for chunk in around if chunk.index not in self.times]

    def date(self, times: Mapping[int, int]) -> None:
        self.times |= times
        self.refresh()

    def row(self, index: int, width: int) -> Content:
        chunk = self.chunks[index]
        date = short_date(self.times.get(chunk.index))
        ends = _columns(width, date, str(len(chunk.turns)), number(chunk.tokens))
        wide = width >= 60
        split = f"  {chunk.split:<6}" if wide else ""
        room = width - 10 - len(split) - sum(len(text) for text in ends) - 2
        return Content.assemble(
            (right(number(chunk.index + 1), 7), "$muted"),
            "   ",
            fit(safe_line(chunk.title) or "(no title)", max(4, room)),
            (split, "$muted"),
            ("".join(ends[:-1]), "$muted"),
            ends[-1],
            (" !" if chunk.index in self.faults else "  ", "bold $error"),
        )


class ChunkHeading(Widget):
    """The names of the columns, above them."""

    DEFAULT_CSS = "ChunkHeading { height: 1; color: $muted; }"

    def render(self) -> Content:
        width = self.size.width
        ends = "".join(_columns(width, "date", "turns", "tokens"))
        split = "  split " if width >= 60 else ""
        room = width - 10 - len(split) - len(ends) - 2
        return Content(f"{right('#', 7)}   {fit('conversation', max(4, room))}{split}{ends}")


def _columns(width: int, date: str, turns: str, tokens: str) -> list[str]:
    columns = [right(date, 8), right(turns, 7), right(tokens, 8)]
    return columns if width >= 48 else [columns[0], columns[2]]


class RecipeView(Widget):
    """Every choice of the recipe, one a line, and how long the chunks became."""

    DEFAULT_CSS = "RecipeView { height: 7; margin: 0 0 1 0; }"

    made: Made | None = None

    def show(self, made: Made | None) -> None:
        self.made = made
        self.refresh()

    def render(self) -> Content:
        return Content("\n").join(_recipe(self.made, self.size.width)) if self.made else Content("")


class Totals(Widget):
    """Counts for each split, tokens, and the checks in words: one line, two where the pane is narrow."""

    DEFAULT_CSS = "Totals { dock: bottom; height: 1; padding: 0 1; color: $muted; }"

    made: Made | None = None
    said = ""

    def show(self, made: Made | None, said: str = "") -> None:
        self.made, self.said = made, said
        self.refresh()

    def render(self) -> Content:
        if self.made is None:
            return Content(self.said)
        counted, checks = _counted(self.made.dataset), _checks(self.made)
        if self.screen.has_class("-three"):
            return counted  # the checks have a place of their own
        if self.size.height > 1:
            return Content("\n").join([counted, checks])
        return spread(counted, checks, self.content_size.width)


class Checks(Widget):
    """What the checks found, in full, the most frequent notes first."""

    DEFAULT_CSS = "Checks { height: 1fr; }"

    made: Made | None = None

    def show(self, made: Made | None) -> None:
        self.made = made
        self.refresh()

    def render(self) -> Content:
        if self.made is None:
            return Content("")
        notes = Counter(note for notes in self.made.faults.values() for note in notes)
        said = [problem.message for problem in self.made.general]
        said += [f"{note} ({plural(count, 'chunk')})" for note, count in notes.most_common(NOTES)]
        width = self.size.width - 11
        texts = [line for one in said or ["nothing wrong"] for line in wrap(safe_line(one), max(8, width))]
        lines = [
            Content.assemble((f" {'' if place else 'checks':<10}", "$muted"), text)
            for place, text in enumerate(texts)
        ]
        return Content("\n").join(lines)


def _recipe(made: Made, width: int) -> list[Content]:
    recipe = made.dataset.recipe
    joined = {"\n": "a new line", "\n\n": "a blank line"}.get(recipe.join, "its own joint")
    if recipe.preset == "langchain":
        rows = [
            ("recipe", "langchain"),
            ("sessions", "none: one long run of turns"),
            ("runs", f"joined with {joined}"),
            ("chunks", f"{recipe.size} turns"),
            ("overlap", f"{recipe.overlap} turns, learned again"),
            ("split", "none"),
        ]
    else:
        kept = round(100 * (1 - recipe.valid - recipe.test))
        rows = [
            ("recipe", "studio"),
            ("sessions", f"end at a silence of {recipe.gap_minutes} min"),
            ("runs", f"joined with {joined}"),
            ("chunks", f"end on the AI, {recipe.max_tokens:,} tokens"),
            ("overlap", f"{recipe.overlap} turns as context"),
            ("split", f"{kept} / {recipe.valid * 100:.0f} / {recipe.test * 100:.0f} by session"),
        ]
    lines = [Content.assemble((f" {name:<10}", "$muted"), fit(text, width - 12)) for name, text in rows]
    tokens = [chunk.tokens for chunk in made.dataset.chunks]
    half = f"half over {number(round(statistics.median(tokens)))}" + (" tokens" if width > 40 else "")
    shape = bars(tokens, min(14, width - 14 - len(half)))
    lines.append(Content.assemble((f" {'lengths':<10}", "$muted"), shape, (f"  {half}", "$muted")))
    return lines


def _counted(dataset: Dataset) -> Content:
    counts = [f"{number(len(dataset.split('train')))} train"]
    counts += [f"{number(len(dataset.split('valid')))} valid"] if dataset.split("valid") else []
    counts += [f"{number(len(dataset.split('test')))} kept for the test"] if dataset.split("test") else []
    return Content(" · ".join([*counts, f"{number(dataset.tokens)} tokens"]))


def _checks(made: Made) -> Content:
    if made.refused:
        return Content.assemble((f"! {made.refused}", "bold $error"))
    if made.faults:
        return Content(f"{plural(len(made.faults), 'chunk')} with a note (!)")
    return Content(made.general[0].message if made.general else "checks: nothing wrong")


def chunk_lines(made: Made, chunk: Chunk, time: int | None, width: int) -> list[Content]:
    """One chunk in full: each turn with its role, whether it is learned, its tokens, its messages."""
    costs = turn_costs(chunk)
    learned = sum(cost for turn, cost in zip(chunk.turns, costs, strict=True) if turn.learned)
    name, split = f"chunk {number(chunk.index + 1)}", f" · {SPLITS.get(chunk.split, chunk.split)}"
    of, cost = f" of {number(len(made.dataset.chunks))}{split}", f"{number(chunk.tokens)} tokens"
    ways = [(of, f"{cost}, {number(learned)} learned "), (split, f"{cost}, {number(learned)} learned ")]
    fitting = (way for way in ways if len(name + way[0] + way[1]) < width)
    about, cost = next(fitting, (split, f"{cost} "))
    head = Content.assemble((name, "bold $foreground"), (about, "$muted"))
    where = safe_line(chunk.title) or "(no title)"
    lines = [
        spread(head, Content.assemble((cost, "$muted")), width),
        Content.assemble((fit(f"{where} · {day(time)}" if time else where, width - 1), "$muted")),
        Content(""),
    ]
    elsewhere = learned_in(made.dataset, chunk)
    for place, (turn, cost_here) in enumerate(zip(chunk.turns, costs, strict=True)):
        accent = turn.learned
        gutter = (
            ("▌ ", "$accent") if accent else ("│ ", "$faint") if turn.role == "user" else ("· ", "$faint")
        )
        weight = f" · {_weight(turn.role, accent, elsewhere.get(place))}"
        room = width - len(f"  {turn.role} · {weight}  ")
        cost, numbers = plural(cost_here, "token"), _numbers(turn)
        # Whether it is learned must be told: the name gives way to it, and then the numbers do.
        end = cost + numbers if room - len(cost + numbers) >= LEAST_NAME else cost
        sender = fit(safe_line(turn.sender), max(4, room - len(end))).rstrip()
        who = Content.assemble(
            gutter,
            (turn.role, "bold $accent" if accent else "bold"),
            (f" · {sender}" if turn.sender else "", "$muted"),
            (weight, "$accent" if accent else "$muted"),
        )
        lines.append(spread(who, Content.assemble((f"{end} ", "$muted")), width))
        style = "" if accent or turn.role == "user" else "$muted"
        texts = wrap(safe_text(turn.text), max(10, min(width - 3, WIDEST)))
        lines += [Content.assemble(gutter, (text, style)) for text in texts]
    lines.append(Content(""))
    said = made.faults.get(chunk.index, ())
    for text in [line for one in said for line in wrap(safe_line(one), max(10, width - 14))] or ["none"]:
        name = "problems" if not lines[-1].plain.startswith(("problems", "        ")) else ""
        lines.append(Content.assemble((f"{name:<11}", "$muted"), (text, "bold" if said else "$muted")))
    return lines


def _numbers(turn: Turn) -> str:
    """`  #48207-48209`, the messages that a turn came from; "" for a system prompt."""
    if not turn.messages:
        return ""
    first, last, more = turn.messages[0], turn.messages[-1], len(turn.messages) - 1
    # They are in the order of import, which need not be that of time.
    rest = "" if not more else f"-{last}" if last - first == more else f" +{more}"
    return f"  #{first}{rest}"


def _weight(role: str, learned: bool, elsewhere: int | None) -> str:
    if learned:
        return "learned"
    if role == "assistant":
        return f"context, learned in {number(elsewhere + 1)}" if elsewhere is not None else "context"
    return "context"


def dropped(dataset: Dataset) -> str:
    """Why nothing was left to learn from."""
    reasons = [f"{number(count)} {reason}" for reason, count in dataset.dropped.items()]
    return ", ".join(reasons) or "nobody answers anybody"
