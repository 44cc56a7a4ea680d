"""The pane: what is built, which chunk is shown, and what its keys do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from engine.errors import StudioError
from tui.actions import bindings
from tui.keymap import keyed
from tui.pane import Pane
from tui.safe_text import safe_line
from tui.screens.chunks import making
from tui.screens.chunks.views import Checks, ChunkHeading, ChunkList, RecipeView, Totals, chunk_lines, dropped
from tui.widgets.ask import Ask
from tui.widgets.cells import number, plural
from tui.widgets.choose import Choose
from tui.widgets.page import Page

if TYPE_CHECKING:
    from engine.dataset import Chunk

NOBODY = """\
Nobody is the AI sender yet: whose voice shall the model learn?

[{app.pane-2}]  Senders, and there [{senders.ai}] makes somebody the AI sender."""

PRESETS = (
    ("studio", "studio: by session, ends on the AI, keeps a test"),
    ("langchain", "langchain: 8 turns, 2 overlapping, no test"),
)


SOURCE = "chunks"
"""The name of a building in the line on top."""

PACE = 0.3
"""Seconds between two pieces of news of a building, at least."""


class OutdatedError(Exception):
    """The studio changed, or another recipe was chosen: what is being built is of no use."""


class ChunksPane(Pane):
    """The chunks that the recipe makes for the AI sender."""

    DIGIT = 3
    BINDINGS = bindings("chunks")
    DEFAULT_CSS = """
    ChunksPane {
        .list { width: 46; }
        &.-three .list { width: 44; }
        &.-three .list RecipeView { display: none; }
        #nobody { display: none; width: 1fr; height: 1fr; content-align: center middle; }
        &.-empty #nobody { display: block; }
        &.-empty .list, &.-empty .detail, &.-empty .inspector, &.-empty Totals { display: none; }
        &.-narrow Totals { height: 2; }
        &.-narrow.-detail Totals { display: none; }
    }
    """

    @dataclass
    class Nobody(Message):
        """There is nothing to build: no AI sender, or nothing of theirs to learn."""

        state: tuple[int, str]
        said: str = ""

    @dataclass
    class Built(Message):
        state: tuple[int, str]
        made: making.Made

    @dataclass
    class Progress(Message):
        state: tuple[int, str]
        done: int
        total: int

    @dataclass
    class Ended(Message):
        """The building ended before there were chunks."""

        state: tuple[int, str]

    @dataclass
    class Due(Message):
        """The bar has come to rest: read the dates in view."""

    @dataclass
    class Dated(Message):
        made: making.Made
        times: dict[int, int]

    @dataclass
    class Wrote(Message):
        said: str

    @dataclass
    class Exists(Message):
        """A file of that name is there already."""

        path: Path

    def __init__(self) -> None:
        super().__init__()
        self.preset = "studio"
        self.made: making.Made | None = None
        self._state: tuple[int, str] | None = None
        self._building: tuple[int, str] | None = None

    def compose_body(self) -> ComposeResult:
        with Vertical(classes="list"):
            yield RecipeView()
            yield ChunkHeading()
            yield ChunkList()
        with Vertical(classes="detail"):
            yield Page()
        with Vertical(classes="inspector"):
            yield RecipeView()
            yield Checks()
        yield Totals()
        yield Static(Content(keyed(NOBODY, self)), id="nobody")

    def on_mount(self) -> None:
        self.query_one(ChunkList).focus()

    def arrive(self) -> None:
        state = (self.studio_app.edition, self.preset)
        if state not in (self._state, self._building):
            self._build(state)

    # In workers

    def _build(self, state: tuple[int, str]) -> None:
        """Goes on whatever pane is shown, until the studio or the recipe is another."""
        self.made, self._state, self._building = None, None, state
        self.remove_class("-empty")
        self._tell("cutting chunks")
        self.refresh_bindings()
        self.work("", self._make, state)

    async def _make(self, state: tuple[int, str]) -> None:
        said = monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal said
            if self._building != state or self.studio_app.edition != state[0]:
                raise OutdatedError
            if monotonic() - said > PACE or done == total:
                said = monotonic()
                self.post_message(self.Progress(state, done, total))

        try:
            studio = await self.studio_app.studio()
            from engine.archive import people
            from engine.dataset import preset

            person = await people.ai(studio)
            if person is None:
                self.post_message(self.Nobody(state))
                return
            made = await making.make(studio, preset(state[1]), person, progress)
        except OutdatedError:
            self.post_message(self.Ended(state))
            return
        except StudioError:
            self.post_message(self.Ended(state))
            raise
        if made.dataset.chunks:
            self.post_message(self.Built(state, made))
        else:
            there = keyed("[{app.pane-2}]  Senders", self)
            nothing = f"Nothing of {safe_line(person.name, 60)} can be learned with this recipe:"
            self.post_message(self.Nobody(state, f"{nothing}\n{dropped(made.dataset)}.\n\n{there}"))

    async def _rest(self) -> None:
        await asyncio.sleep(0.05)  # a held key passes many rows; only the last counts
        self.post_message(self.Due())

    async def _date(self, made: making.Made, chunks: Sequence[Chunk]) -> None:
        studio = await self.studio_app.studio()
        self.post_message(self.Dated(made, await making.times(studio, chunks)))

    async def _write(self, path: Path, made: making.Made, replace: bool) -> None:
        there = [target for target in making.targets(path) if target.exists()]
        if there and not replace:
            self.post_message(self.Exists(path))
            return
        from engine.dataset import save

        await save(await self.studio_app.studio(), made.dataset)
        written = await asyncio.to_thread(making.write, path, made.dataset)
        said = " and ".join(f"{number(count)} chunks to {target}" for target, count in written)
        self.post_message(self.Wrote(f"Wrote {said}."))

    # What the workers said

    def on_chunks_pane_nobody(self, event: Nobody) -> None:
        if event.state != self._building:
            return
        self._state, self._building = event.state, None
        self._tell("")
        self.query_one("#nobody", Static).update(Content(event.said or keyed(NOBODY, self)))
        self.add_class("-empty")
        self.studio_app.status.count(self.DIGIT, 0)
        self.refresh_bindings()

    def on_chunks_pane_progress(self, event: Progress) -> None:
        if event.state == self._building:
            cut = f"{number(event.done)} of {plural(event.total, 'conversation')}"
            if event.done < event.total:
                self._tell(f"cutting chunks {100 * event.done // event.total} %", cut)
            else:
                self._tell("checking chunks", cut)

    def _tell(self, state: str, cut: str = "") -> None:
        """What the building does: in the line on top, and with what is cut already in the pane itself."""
        self.studio_app.status.publish(SOURCE, state, urgency=1)
        said = " · ".join(filter(None, [cut, "this goes on whatever pane is shown"]))
        self.query_one(Totals).show(self.made, said if state else "")

    def on_chunks_pane_ended(self, event: Ended) -> None:
        if event.state == self._building:
            self._building = None
            self._tell("")

    def on_chunks_pane_built(self, event: Built) -> None:
        if event.state != self._building:
            return
        self._state, self._building, self.made = event.state, None, event.made
        self._tell("")
        self.remove_class("-empty")
        self.studio_app.status.count(self.DIGIT, len(event.made.dataset.chunks))
        self.query_one(ChunkList).list(event.made)
        for recipe in self.query(RecipeView):
            recipe.show(event.made)
        self.query_one(Checks).show(event.made)
        self.query_one(Totals).show(event.made)
        self._show_chunk()
        if self.focused is None:
            self.query_one(ChunkList).focus()
        self.refresh_bindings()

    def on_chunks_pane_due(self) -> None:
        chunks = self.query_one(ChunkList).undated
        if self.made is not None and chunks:
            self.work("", self._date, self.made, chunks)

    def on_chunks_pane_dated(self, event: Dated) -> None:
        if event.made is self.made:
            self.query_one(ChunkList).date(event.times)
            self._draw_chunk(stay=True)

    def on_chunks_pane_wrote(self, event: Wrote) -> None:
        self.say(event.said)

    def on_chunks_pane_exists(self, event: Exists) -> None:
        def choose(index: int | None) -> None:
            if index == 1 and self.made is not None:
                self.work("", self._write, event.path, self.made, True)

        rows = [("leave it as it is", ""), ("replace it", "")]
        self.app.push_screen(Choose(f"{event.path.name} is there already.", rows), choose)

    # Lists and detail

    def on_line_list_moved(self) -> None:
        self._show_chunk()

    def on_line_list_opened(self) -> None:
        self.open_detail()

    def _show_chunk(self) -> None:
        self._draw_chunk()
        if self.made is not None:
            self.work("dates", self._rest)

    def _draw_chunk(self, stay: bool = False) -> None:
        table, made = self.query_one(ChunkList), self.made
        chunk = table.current
        if made is not None and chunk is not None:
            time = table.times.get(chunk.index)
            self.query_one(Page).show(lambda width: chunk_lines(made, chunk, time, width), stay)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("train", "message", "write", "step"):
            return self.made is not None
        if action == "recipe":
            return self.made is not None or self.has_class("-empty")
        if action == "problem":
            return bool(self.made and self.made.faults)
        return super().check_action(action, parameters)

    def action_step(self, step: int) -> None:
        self.query_one(ChunkList).action_move(step)

    def action_problem(self) -> None:
        """The next chunk with a problem, from the top again after the last."""
        table = self.query_one(ChunkList)
        if self.made is not None and self.made.faults:
            places = sorted(self.made.faults)
            table.move_to(next((place for place in places if place > table.cursor), places[0]))

    def action_message(self) -> None:
        chunk = self.query_one(ChunkList).current
        if chunk is not None and chunk.messages:
            learned = [turn for turn in chunk.turns if turn.learned and turn.messages]
            message = learned[-1].messages[0] if learned else chunk.messages[-1]
            self.studio_app.go(1, (chunk.conversation, message))

    def action_recipe(self) -> None:
        names = [name for name, _ in PRESETS]

        def choose(index: int | None) -> None:
            if index is not None and names[index] != self.preset:
                self.preset = names[index]
                self._build((self.studio_app.edition, self.preset))

        rows = [(said, "in use" if name == self.preset else "") for name, said in PRESETS]
        self.app.push_screen(
            Choose("Cut the chunks by which recipe?", rows, names.index(self.preset)), choose
        )

    def action_write(self) -> None:
        made = self.made
        if made is None:
            return
        name = "".join(c if c.isalnum() else "-" for c in made.dataset.ai.lower())[:30].strip("-")
        question = "Write the training chunks to which file? The validation chunks go beside it."

        def write(text: str | None) -> None:
            if text and text.strip():
                self.work("", self._write, Path(text.strip()).expanduser(), made, False)

        path = f"~/{name or 'chunks'}-{made.dataset.id[:4]}.jsonl"
        self.app.push_screen(Ask(question, path, does="write", one_line=True, refuse=making.refusal), write)

    def action_train(self) -> None:
        if self.made is None:
            return
        if self.made.refused:
            hint = keyed("{chunks.problem} goes to the next problem.", self) if self.made.faults else ""
            self.say(self.made.refused, hint)
            return
        self.studio_app.go(4, self.made.dataset)
