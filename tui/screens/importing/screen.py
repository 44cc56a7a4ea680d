"""The screen and its worker. One import at a time; the studio changes at its very end or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from engine.errors import StudioError
from engine.importers.report import ImportReport, remaining
from tui.actions import bindings
from tui.pane import Pane
from tui.safe_text import safe_line
from tui.screens.importing.owner import Question, questions
from tui.screens.importing.paths import Paths, complete, is_there, typed_paths
from tui.screens.importing.preview import Preview, estimates, look, outcome, preview_lines
from tui.screens.importing.report import Report
from tui.screens.importing.taking import take_over
from tui.widgets.cells import fit_end, number
from tui.widgets.choose import Choose

if TYPE_CHECKING:
    from engine.archive.owners import Candidate
    from engine.archive.rows import ImportRow
    from engine.importers.finding import Left
    from engine.importing import Imported

BAR = 40
PATH = 30
"""Cells for the end of the path of an import in a list of them."""


class Importing(Pane):
    """sample: load the bundled sample exports instead of asking for a path."""

    DIGIT = 1
    BINDINGS = bindings("importing")
    DEFAULT_CSS = """
    Importing {
        #import { padding: 1 3; }
        #heading { height: 2; text-style: bold; }
        #path { height: 1; }
        #label { width: 6; color: $muted; }
        #known { height: auto; max-height: 13; color: $muted; padding: 1 0 0 6; }
        #progress { height: 3; padding: 1 0; }
        #report { display: none; }
    }
    """

    @dataclass
    class Known(Message):
        """What lies at the typed paths, or why it is nothing that can be imported."""

        typed: str
        preview: Preview | None = None
        problem: str = ""

    @dataclass
    class Completed(Message):
        typed: str
        names: Sequence[str]
        before: str

    @dataclass
    class Progress(Message):
        rows: int
        of: int | None
        seconds: float

    @dataclass
    class Done(Message):
        """failed: exports of which nothing was taken over, and why. left: what is no export."""

        imported: Sequence[Imported]
        failed: Sequence[tuple[str, StudioError]]
        left: Sequence[Left]
        seconds: float

    @dataclass
    class Unowned(Message):
        question: Question

    @dataclass
    class Owned(Message):
        """The question was answered; None: with nobody."""

        source: str
        owner: str | None

    @dataclass
    class Failed(Message):
        error: StudioError

    @dataclass
    class Imports(Message):
        """Every import that was made, the newest first."""

        rows: Sequence[ImportRow]

    def __init__(self, sample: bool = False) -> None:
        super().__init__()
        self.sample = sample
        self.state = "asking"
        self._known: Importing.Known | None = None
        self.owners: dict[str, str | None] = {}
        self._cancelled = False
        self._done: Importing.Done | None = None
        self._unowned: list[Question] = []

    def compose_body(self) -> ComposeResult:
        with Vertical(id="import"):
            yield Static(Content("Load the sample" if self.sample else "Import an export"), id="heading")
            with Horizontal(id="path"):
                yield Static(Content("Path"), id="label")
                yield Paths(placeholder="a folder, a chat.db, a zip or several", classes="field")
            yield Static("", id="known")
            yield Static("", id="progress")
            yield Report()

    def on_mount(self) -> None:
        if self.sample:
            self.query_one("#path").display = False
            self._start([])
        else:
            self.query_one(Paths).focus()

    # Asking

    @property
    def preview(self) -> Preview | None:
        """What is known of just the paths that stand in the field."""
        known = self._known
        return known.preview if known and known.typed == self.query_one(Paths).value else None

    def on_input_changed(self, event: Input.Changed) -> None:
        self._known = None
        self.query_one("#known", Static).update("")
        self.refresh_bindings()
        self.work("look", self._look, event.value)

    async def _look(self, typed: str) -> None:
        await asyncio.sleep(0.15)
        paths = typed_paths(typed)
        if not paths or not await asyncio.to_thread(lambda: all(is_there(path) for path in paths)):
            return
        from engine.archive import reading

        def show(preview: Preview) -> None:
            self.post_message(self.Known(typed, preview))

        try:
            sources = await reading.sources(await self.studio_app.studio())
            await look(paths, sources, show)
        except StudioError as error:
            self.post_message(self.Known(typed, problem=str(error)))

    def on_importing_known(self, event: Known) -> None:
        if event.typed == self.query_one(Paths).value and self.state == "asking":
            self._known = event
            self._show_known(Content(safe_line(event.problem)))
            self.refresh_bindings()

    def _show_known(self, said: Content) -> None:
        """What stands below the path: the preview where there is one, else `said`."""
        known = self.query_one("#known", Static)
        if self.state == "asking" and self.preview is not None:
            said = preview_lines(self.preview, self._width - 6)
        known.update(said)

    def _show_outcome(self) -> None:
        if self._done is not None:
            failed = [
                (name, "cancelled: nothing of it was taken over" if self._cancelled else str(error))
                for name, error in self._done.failed
            ]
            self._show_known(outcome(self.owners, failed, self._done.left, self._width - 6))

    @property
    def _width(self) -> int:
        return self.query_one("#import").content_size.width

    def action_complete(self) -> None:
        self.work("complete", self._complete, self.query_one(Paths).value)

    async def _complete(self, typed: str) -> None:
        self.post_message(self.Completed(*await asyncio.to_thread(complete, typed), typed))

    def on_importing_completed(self, event: Completed) -> None:
        field = self.query_one(Paths)
        if field.value != event.before:
            return
        field.value = event.typed
        field.cursor_position = len(field.value)
        if event.names:
            names = "   ".join(safe_line(name) for name in event.names[:60])
            self.query_one("#known", Static).update(Content(names))

    def on_input_submitted(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        typed = self.query_one(Paths).value
        if typed.strip() and self.state == "asking":
            self._start(typed_paths(typed))

    # Importing

    def _start(self, paths: Sequence[Path]) -> None:
        self.workers.cancel_group(self, "look")
        self.state, self._cancelled = "running", False
        self.query_one(Paths).disabled = True
        self.set_focus(None)
        self._show_progress(0, None, 0.0)
        self.refresh_bindings()
        self.work("", self._import, paths, self.preview)

    async def _import(self, paths: Sequence[Path], preview: Preview | None) -> None:
        """Everything at the paths, one export after the other; what cannot be read costs itself alone."""
        from engine.importers.finding import recognise_all

        owner = None
        if self.sample:
            from engine import samples

            paths, owner = [samples.messenger(), samples.imessage()], samples.OWNER
        started = monotonic()

        def show(rows: int, of: int | None) -> None:
            self.post_message(self.Progress(rows, of, monotonic() - started))

        try:
            if preview is not None:
                exports, left = [seen.export for seen in preview.exports], preview.left
            else:
                found = await asyncio.to_thread(recognise_all, paths)
                exports, left = list(found.exports), found.left
            studio = await self.studio_app.studio()
        except StudioError as error:
            self.post_message(self.Failed(error))
            return
        imported, failed = await take_over(
            studio,
            exports,
            owner=owner,
            estimates=estimates(preview) if preview else (),
            progress=show,
            cancelled=lambda: self._cancelled,
        )
        if imported:
            self.post_message(self.Done(imported, failed, left, monotonic() - started))
            for question in await questions(studio, [one.source for one in imported]):
                self.post_message(self.Unowned(question))
        else:
            self.post_message(self.Failed(failed[0][1]))

    def on_importing_progress(self, event: Progress) -> None:
        if self.state == "running":
            self._show_progress(event.rows, event.of, event.seconds)

    def on_importing_done(self, event: Done) -> None:
        whole = ImportReport()
        for one in event.imported:
            whole.add(one.report)
        self.state = "done"
        self.owners = {one.source: one.report.owner for one in event.imported}
        self._done = event
        self.studio_app.status.publish("import", "")
        self.studio_app.touched()
        self._show_progress(whole.rows_read, whole.rows_read, event.seconds)
        self._show_outcome()
        report = self.query_one(Report)
        report.display = True
        report.list(whole)
        report.focus()
        self.refresh_bindings()

    def on_importing_failed(self, event: Failed) -> None:
        self.state, self._known = "asking", None
        self.studio_app.status.publish("import", "")
        self.query_one("#progress", Static).update("")
        self._show_known(
            Content.assemble(
                (safe_line(event.error.message), "$foreground"), f"\n{safe_line(event.error.hint)}"
            )
        )
        field = self.query_one(Paths)
        field.disabled = False
        field.focus()
        self.refresh_bindings()

    # Whose export it is

    def on_importing_unowned(self, event: Unowned) -> None:
        self._unowned.append(event.question)
        self._ask()

    def arrive(self) -> None:
        self._ask()

    def _ask(self) -> None:
        """One question at a time, and none over another pane."""
        if not self._unowned or not self.is_current:
            return
        question = self._unowned.pop(0)

        def answered(index: int | None) -> None:
            self.work("", self._answer, question.source, question.answer(index))

        self.app.push_screen(question.sheet(), answered)

    async def _answer(self, source: str, chosen: Candidate | None) -> None:
        from engine.archive import owners

        await owners.answer(await self.studio_app.studio(), source, chosen.sender if chosen else None)
        self.studio_app.touched()
        self.post_message(self.Owned(source, chosen.name if chosen else None))

    def on_importing_owned(self, event: Owned) -> None:
        self.owners[event.source] = event.owner
        self._show_outcome()

    def _show_progress(self, rows: int, of: int | None, seconds: float) -> None:
        rate = f" · {number(round(rows / seconds))}/s" if seconds > 0.2 else ""
        done = self.state == "done"
        if of:
            full = BAR if done else min(BAR, BAR * rows // max(rows, of))
            bar: list[tuple[str, str] | str] = [
                ("━" * full, "$foreground"),
                ("─" * (BAR - full), "$faint"),
                "  ",
            ]
            counted = f"{number(rows)} of {number(of)} rows" if not done else f"{number(rows)} rows"
        else:
            bar, counted = [], f"{number(rows)} rows"
        left = remaining(rows, of, seconds) if not done else f"{max(seconds, 0.1):.1f} s"
        said = Content.assemble(*bar, (counted + rate + (left and f" · {left}"), "$muted"))
        self.query_one("#progress", Static).update(said, layout=False)
        if not done:
            share = f"{number(rows)}/{number(of)}" if of else number(rows)
            self.studio_app.status.publish("import", f"importing {share}{rate}", urgency=1)

    async def _past(self) -> None:
        from engine.archive.imports import imports

        self.post_message(self.Imports(await imports(await self.studio_app.studio())))

    def on_importing_imports(self, event: Imports) -> None:
        from tui.screens.importing.past import Past, when

        def choose(index: int | None) -> None:
            if index is not None:
                self.app.push_screen(Past(event.rows[index]))

        if event.rows:
            rows = [
                (f"{row.source}: {fit_end(safe_line(row.path), PATH).rstrip()}", when(row))
                for row in event.rows
            ]
            self.app.push_screen(Choose("The report of which import?", rows), choose)
        else:
            self.say("Nothing was imported yet.")

    def on_resize(self) -> None:
        if self.state == "done":
            self._show_outcome()
        elif self.preview is not None:
            self._show_known(Content(""))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        wanted = {
            "complete": ("asking",),
            "start": ("asking",),
            "cancel": ("running",),
            "done": ("done",),
            "past": ("asking", "done"),
        }
        if action == "start" and self.preview is None:
            return False
        return self.state in wanted[action] if action in wanted else action != "zoom"

    def action_cancel(self) -> None:
        self._cancelled = True

    def action_back(self) -> None:
        if self.state == "running":
            self._cancelled = True
        else:
            self.dismiss()

    def action_done(self) -> None:
        self.dismiss(True)

    def action_past(self) -> None:
        self.work("past", self._past)
