"""The screen and its worker. One import at a time; the studio changes at its very end or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from engine.errors import StudioError
from engine.importers.report import ImportReport, remaining, to_json
from tui.actions import bindings
from tui.pane import Pane
from tui.safe_text import content, safe_line
from tui.screens.importing.paths import complete, typed_path
from tui.screens.importing.report import Report
from tui.widgets.cells import fit_end, number
from tui.widgets.choose import Choose
from tui.widgets.field import Field

if TYPE_CHECKING:
    from engine.archive.rows import ImportRow

BAR = 40
PATH = 30
"""Cells for the end of the path of an import in a list of them."""


class Export(NamedTuple):
    """What to import, and whose it is where that is known beforehand."""

    path: Path
    owner: str | None = None


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
        #known { height: auto; max-height: 8; color: $muted; padding: 0 0 0 6; }
        #progress { height: 3; padding: 1 0; }
        #report { display: none; }
    }
    """

    @dataclass
    class Known(Message):
        """What a path is: an importer's name, or why it is none."""

        typed: str
        importer: str = ""
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
        report: ImportReport
        seconds: float

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
        self.importer = ""
        self._cancelled = False

    def compose_body(self) -> ComposeResult:
        with Vertical(id="import"):
            yield Static(Content("Load the sample" if self.sample else "Import an export"), id="heading")
            with Horizontal(id="path"):
                yield Static(Content("Path"), id="label")
                yield Field(placeholder="a folder, a zip, or a chat.db", classes="field")
            yield Static("", id="known")
            yield Static("", id="progress")
            yield Report()

    def on_mount(self) -> None:
        if self.sample:
            self.query_one("#path").display = False
            self._start([])
        else:
            self.query_one(Field).focus()

    # Asking

    def on_input_changed(self, event: Input.Changed) -> None:
        self.importer = ""
        self.query_one("#known", Static).update("")
        self.refresh_bindings()
        self.work("recognise", self._recognise, event.value)

    async def _recognise(self, typed: str) -> None:
        await asyncio.sleep(0.15)
        path = typed_path(typed)
        if not typed.strip() or not await asyncio.to_thread(path.exists):
            return
        from engine.importers import recognise

        try:
            importer = await asyncio.to_thread(recognise, path)
        except StudioError as error:
            self.post_message(self.Known(typed, problem=str(error)))
        else:
            self.post_message(self.Known(typed, importer.name))

    def on_importing_known(self, event: Known) -> None:
        if event.typed != self.query_one(Field).value or self.state != "asking":
            return
        self.importer = event.importer
        known = f"Recognised: {event.importer}." if event.importer else event.problem
        self.query_one("#known", Static).update(content(safe_line(known)))
        self.refresh_bindings()

    def action_complete(self) -> None:
        self.work("complete", self._complete, self.query_one(Field).value)

    async def _complete(self, typed: str) -> None:
        self.post_message(self.Completed(*await asyncio.to_thread(complete, typed), typed))

    def on_importing_completed(self, event: Completed) -> None:
        field = self.query_one(Field)
        if field.value != event.before:
            return
        field.value = event.typed
        field.cursor_position = len(field.value)
        if event.names:
            names = "   ".join(safe_line(name) for name in event.names[:60])
            self.query_one("#known", Static).update(content(names))

    def on_input_submitted(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        typed = self.query_one(Field).value
        if typed.strip() and self.state == "asking":
            self._start([Export(typed_path(typed))])

    # Importing

    def _start(self, exports: Sequence[Export]) -> None:
        self.state, self._cancelled = "running", False
        self.query_one(Field).disabled = True
        self.set_focus(None)
        self._show_progress(0, None, 0.0)
        self.refresh_bindings()
        self.work("", self._import, exports)

    async def _import(self, exports: Sequence[Export]) -> None:
        from engine.archive.imports import save_import
        from engine.archive.ingest import ingest
        from engine.importers import recognise

        if not exports:
            from engine import samples

            exports = [Export(samples.messenger(), samples.OWNER), Export(samples.imessage(), samples.OWNER)]
        started = monotonic()
        whole = ImportReport()

        def show(now: ImportReport) -> None:
            self.post_message(self.Progress(now.rows_read, now.rows_total, monotonic() - started))

        try:
            studio = await self.studio_app.studio()
            for export in exports:
                importer = await asyncio.to_thread(recognise, export.path)
                report = ImportReport()
                begun = monotonic()
                await ingest(
                    studio,
                    source=importer.name,
                    importer=importer.name,
                    path=str(export.path.absolute()),
                    conversations=importer.conversations(export.path, report),
                    report=report,
                    owner=export.owner,
                    progress=show,
                    cancelled=lambda: self._cancelled,
                )
                await save_import(
                    studio,
                    source=importer.name,
                    importer=importer.name,
                    path=str(export.path.absolute()),
                    report=to_json(report),
                    seconds=monotonic() - begun,
                )
                whole.add(report)
        except StudioError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Done(whole, monotonic() - started))

    def on_importing_progress(self, event: Progress) -> None:
        if self.state == "running":
            self._show_progress(event.rows, event.of, event.seconds)

    def on_importing_done(self, event: Done) -> None:
        self.state = "done"
        self.studio_app.status.publish("import", "")
        self.studio_app.touched()
        self._show_progress(event.report.rows_read, event.report.rows_read, event.seconds)
        owner = f"This is the export of {event.report.owner}." if event.report.owner else ""
        self.query_one("#known", Static).update(content(safe_line(owner)))
        report = self.query_one(Report)
        report.display = True
        report.list(event.report)
        report.focus()
        self.refresh_bindings()

    def on_importing_failed(self, event: Failed) -> None:
        self.state = "asking"
        self.studio_app.status.publish("import", "")
        self.query_one("#progress", Static).update("")
        said = Content.assemble(
            (safe_line(event.error.message), "$foreground"), f"\n{safe_line(event.error.hint)}"
        )
        self.query_one("#known", Static).update(said)
        field = self.query_one(Field)
        field.disabled = False
        field.focus()
        self.refresh_bindings()

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

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        wanted = {
            "complete": ("asking",),
            "start": ("asking",),
            "cancel": ("running",),
            "done": ("done",),
            "past": ("asking", "done"),
        }
        if action == "start" and not self.importer:
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
