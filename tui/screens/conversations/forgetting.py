"""Forget a source: which one, what goes with it, asked for good, done, and what still remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from engine.errors import StudioError
from tui.actions import bindings
from tui.keymap import keyed
from tui.safe_text import safe_line
from tui.widgets.cells import number, plural, right, source_name, wrap
from tui.widgets.choose import Answers
from tui.widgets.line_list import LineList
from tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    from engine.archive import SourceRow
    from engine.archive.forgetting import Forgotten
    from tui.app import UnderstudyApp


class Forgetting(ModalScreen[bool], Sheet[bool], inherit_bindings=False):
    """Dismisses with whether a source is gone. state: choosing, asking, working or done."""

    BINDINGS = bindings("forgetting")
    DEFAULT_CSS = """
    Forgetting #what { display: none; }
    Forgetting #question { padding: 0 0 1 0; }
    Forgetting #hint { color: $muted; padding: 1 0 0 0; }
    Forgetting.-chosen Answers { display: none; }
    Forgetting.-chosen #what { display: block; }
    """

    @dataclass
    class Sources(Message):
        sources: Sequence[SourceRow]

    @dataclass
    class Found(Message):
        """What goes with the source."""

        found: Forgotten

    @dataclass
    class Done(Message):
        done: Forgotten

    @dataclass
    class Failed(Message):
        error: StudioError

    def __init__(self) -> None:
        super().__init__()
        self.state = "choosing"
        self.sources: Sequence[SourceRow] = ()
        self.gone = False

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(Content("Which source shall be forgotten?"), id="question")
            yield Answers()
            yield Static("", id="what")
            yield Static(Content(keyed("{list.open} choose   {forgetting.close} close", self)), id="hint")

    def on_mount(self) -> None:
        self.run_worker(self._list())

    # In workers

    async def _list(self) -> None:
        from engine.archive import reading

        try:
            self.post_message(self.Sources(await reading.sources(await self._app.studio())))
        except StudioError as error:
            self.post_message(self.Failed(error))

    async def _look(self, source: SourceRow) -> None:
        from engine.archive import forgetting

        try:
            self.post_message(self.Found(await forgetting.preview(await self._app.studio(), source)))
        except StudioError as error:
            self.post_message(self.Failed(error))

    async def _forget(self, source: SourceRow) -> None:
        """Once begun it goes on to its end."""
        from engine.archive import forgetting

        try:
            done = await forgetting.forget(await self._app.studio(), source)
        except StudioError as error:
            self.post_message(self.Failed(error))
        else:
            self._app.touched()
            self.post_message(self.Done(done))

    # What the workers said

    def on_forgetting_sources(self, event: Sources) -> None:
        self.sources = event.sources
        rows = [(source_name(one.name), plural(one.messages, "message")) for one in event.sources]
        self.query_one(Answers).list(rows)

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        if self.state == "choosing":
            self.state = "looking"
            self.run_worker(self._look(self.sources[event.index]))

    def on_forgetting_found(self, event: Found) -> None:
        self.state = "asking"
        self._show(
            f"Forget {source_name(event.found.source)}?",
            _goes(event.found),
            "{forgetting.forget} forget for good   {forgetting.close} keep it",
        )

    def on_forgetting_done(self, event: Done) -> None:
        self.state, self.gone = "done", True
        self._show(
            f"{source_name(event.done.source)} is forgotten.", _stays(event.done), "{forgetting.close} close"
        )

    def on_forgetting_failed(self, event: Failed) -> None:
        self.state = "done"
        self._show(
            "Nothing was deleted.", [event.error.message, event.error.hint], "{forgetting.close} close"
        )

    def _show(self, heading: str, said: Sequence[str], hint: str) -> None:
        self.add_class("-chosen")
        width = self.query_one("#sheet").content_size.width
        lines = [part for line in said for part in wrap(safe_line(line), width)]
        self.query_one("#question", Static).update(Content(safe_line(heading)))
        self.query_one("#what", Static).update(Content("\n".join(lines)))
        self.query_one("#hint", Static).update(Content(keyed(hint, self)))

    @property
    def _app(self) -> UnderstudyApp:
        return cast("UnderstudyApp", self.app)

    # Keys

    def action_forget(self) -> None:
        if self.state == "asking":
            self.state = "working"
            source = self.sources[self.query_one(Answers).cursor]
            said = ["Its rows are deleted, then the studio's file is written anew without them."]
            self._show(f"Forgetting {source_name(source.name)}", said, "")
            self.run_worker(self._forget(source))

    def action_close(self) -> None:
        if self.state != "working":
            self.dismiss(self.gone)


def _goes(found: Forgotten) -> list[str]:
    """What is deleted, counted, and that nothing brings it back."""
    counts = [
        (found.conversations, "conversation", "conversations"),
        (found.messages, "message", "messages"),
        (found.people, "person who wrote nowhere else", "people who wrote nowhere else"),
        (len(found.datasets), "dataset with all its chunks", "datasets with all their chunks"),
    ]
    width = max(len(number(many)) for many, _, _ in counts)
    said = [
        f"{right(number(many), width)}  {one if many == 1 else several}"
        for many, one, several in counts
        if many
    ]
    if found.ai:
        said.append(f"{' ' * width}  the choice of {found.ai} as the AI sender")
    said += ["", "This cannot be undone: importing again brings back the messages, and nothing else of it."]
    if found.models:
        many = len(found.models)
        verb = "was" if many == 1 else "were"
        said.append(f"{plural(many, 'model')} that {verb} trained on its words still will remember them.")
    return said


def _stays(done: Forgotten) -> list[str]:
    """What still knows the words, and how to be rid of it."""
    from engine.archive.forgetting import left

    return left(done) or ["None of its words is left, in the studio or in its file."]
