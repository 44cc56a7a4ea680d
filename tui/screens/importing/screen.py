"""The screen: what to import, how far the import is, what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from engine.errors import StudioError
from engine.importers.report import ImportReport, remaining
from tui.actions import bindings
from tui.importing import SOURCE, Import, Imports, Wanted, imports
from tui.keymap import keyed
from tui.pane import Pane
from tui.safe_text import safe_line
from tui.screens.importing.paths import Paths, complete, is_there, typed_paths
from tui.screens.importing.preview import Preview, look, outcome, preview_lines
from tui.screens.importing.report import Report
from tui.widgets.cells import fit_end, number, source_name
from tui.widgets.choose import Choose

if TYPE_CHECKING:
    from engine.archive.owners import Candidate
    from engine.archive.rows import ImportRow

READ_ON = "Read on meanwhile: {importing.back} leaves, and the import goes on."

BAR = 40
PATH = 30
"""Cells for the end of the path of an import in a list of them."""


class Importing(Pane):
    """sample: load the bundled sample exports instead of asking for a path."""

    DIGIT = 1
    AUTO_FOCUS = ""
    BINDINGS = bindings("importing")
    DEFAULT_CSS = """
    Importing {
        #import { padding: 1 3; }
        #heading { height: 2; text-style: bold; }
        #path { height: 1; }
        #label { width: 6; color: $muted; }
        #known { height: auto; max-height: 13; color: $muted; padding: 1 0 0 6; }
        #progress { height: 4; padding: 1 0; }
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
    class Owned(Message):
        """The question was answered; None: with nobody."""

        source: str
        owner: str | None

    @dataclass
    class Past(Message):
        """Every import that was made, the newest first."""

        rows: Sequence[ImportRow]

    def __init__(self, sample: bool = False) -> None:
        super().__init__()
        self.sample = sample
        self._known: Importing.Known | None = None
        self._tried = ""
        """The path whose import failed or was cancelled; enter tries it again."""

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
        self.imports.news.subscribe(self, self._on_news)
        if self.imports.now is not None:
            self._on_news(self.imports.now)
        elif self.sample:
            from engine import samples

            self._start(Wanted([samples.messenger(), samples.imessage()], owner=samples.OWNER))
        else:
            self.query_one(Paths).focus()

    @property
    def imports(self) -> Imports:
        return imports(self.studio_app)

    @property
    def state(self) -> str:
        """asking, running or done"""
        now = self.imports.now
        return "asking" if now is None or now.error else "done" if now.ended else "running"

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
        if self.state != "done" and self.preview is not None:
            said = preview_lines(self.preview, self._width - 6)
        known.update(said)

    def _show_outcome(self, now: Import) -> None:
        failed = [
            (name, "cancelled: nothing of it was taken over" if now.cancelled else str(error))
            for name, error in now.failed
        ]
        self._show_known(outcome(now.owners, failed, now.left, self._width - 6))

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
        if not typed.strip() or self.state != "asking":
            return
        self._start(Wanted(typed_paths(typed), self.preview, typed=typed))

    # Importing

    def _start(self, wanted: Wanted) -> None:
        self.workers.cancel_group(self, "look")
        self._on_news(self.imports.begin(wanted))

    def _on_news(self, now: Import) -> None:
        """Show how far the import is, or what became of it."""
        if now is not self.imports.now:
            return
        if now.error is not None:
            self._failed(now, now.error)
            return
        self._show_progress(now)
        field = self.query_one(Paths)
        if not field.disabled:
            with self.prevent(Input.Changed):
                field.value, field.disabled = now.typed, True
            self.query_one("#path").display = bool(now.typed)
            if now.preview is not None:  # begun here, or before one came back
                self._known = self.Known(now.typed, now.preview)
            self._show_known(Content(""))
            self.set_focus(None)
            self.refresh_bindings()
        report = self.query_one(Report)
        if now.ended and not report.display:
            whole = ImportReport()
            for one in now.imported:
                whole.add(one.report)
            self._show_outcome(now)
            report.display = True
            report.list(whole)
            report.focus()
            self.refresh_bindings()
            self._ask()

    def _failed(self, now: Import, error: StudioError) -> None:
        self.imports.seen()
        self._known, self._tried = None, now.typed
        self.query_one("#path").display = True
        field = self.query_one(Paths)
        field.disabled = False
        with self.prevent(Input.Changed):
            field.value = now.typed
        field.focus()
        self.query_one("#progress", Static).update("")
        self._show_known(
            Content.assemble((safe_line(error.message), "$foreground"), f"\n{safe_line(error.hint)}")
        )
        self.refresh_bindings()

    # Whose export it is

    def arrive(self) -> None:
        if self.state == "done":
            self.studio_app.status.publish(SOURCE, "")
        self._ask()

    def _ask(self) -> None:
        """One question at a time, and none over another pane."""
        now = self.imports.now
        if now is None or not now.questions or not self.is_current:
            return
        question = now.questions.pop(0)

        def answered(index: int | None) -> None:
            self.work("", self._answer, question.source, question.answer(index))

        self.app.push_screen(question.sheet(), answered)

    async def _answer(self, source: str, chosen: Candidate | None) -> None:
        from engine.archive import owners

        await owners.answer(await self.studio_app.studio(), source, chosen.sender if chosen else None)
        self.studio_app.touched()
        self.post_message(self.Owned(source, chosen.name if chosen else None))

    def on_importing_owned(self, event: Owned) -> None:
        now = self.imports.now
        if now is not None:
            now.owners[event.source] = event.owner
            self._show_outcome(now)

    def _show_progress(self, now: Import) -> None:
        rows, of, seconds, done = now.rows, now.of, now.seconds, now.ended
        narrow = self.has_class("-narrow") and not done
        rate = f" · {number(round(rows / seconds))}/s" if seconds > 0.2 else ""
        if of or done:
            full = BAR if done else min(BAR, BAR * rows // max(rows, of or 1))
            bar: list[tuple[str, str] | str] = [
                ("━" * full, "$foreground"),
                ("─" * (BAR - full), "$faint"),
                "\n" if narrow else "  ",
            ]
            counted = f"{number(rows)} of {number(of or 0)} rows" if not done else f"{number(rows)} rows"
        else:
            bar, counted = [], f"{number(rows)} rows"
        left = remaining(rows, of, seconds) if not done else f"{max(seconds, 0.1):.1f} s"
        said = Content.assemble(*bar, (counted + rate + (left and f" · {left}"), "$muted"))
        if not done:
            said += Content.styled(f"\n{keyed(READ_ON, self)}", "$muted")
        progress = self.query_one("#progress", Static)
        progress.styles.height = 3 if done else 5 if narrow and of else 4
        progress.update(said, layout=False)

    async def _past(self) -> None:
        from engine.archive.imports import imports

        self.post_message(self.Past(await imports(await self.studio_app.studio())))

    def on_importing_past(self, event: Past) -> None:
        from tui.screens.importing.past import Past, when

        def choose(index: int | None) -> None:
            if index is not None:
                self.app.push_screen(Past(event.rows[index]))

        if event.rows:
            rows = [
                (f"{source_name(row.source)}: {fit_end(safe_line(row.path), PATH).rstrip()}", when(row))
                for row in event.rows
            ]
            self.app.push_screen(Choose("The report of which import?", rows), choose)
        else:
            self.say("Nothing was imported yet.")

    def on_resize(self) -> None:
        now = self.imports.now
        if now is not None and now.ended:
            self._show_outcome(now)
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
            written = self.query_one(Paths).value
            if not written or written != self._tried:
                return False
        if action == "copy_selected":
            return super().check_action(action, parameters)
        return self.state in wanted[action] if action in wanted else action != "zoom"

    def action_cancel(self) -> None:
        self.imports.cancel()

    def action_back(self) -> None:
        """An import that goes on does so without this screen."""
        self._leave(False)

    def action_done(self) -> None:
        self._leave(True)

    def _leave(self, open_first: bool) -> None:
        if self.is_current:
            self.imports.seen()
        self.dismiss(open_first)

    def action_past(self) -> None:
        self.work("past", self._past)
