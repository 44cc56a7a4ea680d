"""The import that goes on: one for the app, whatever pane is shown, until its report was looked at.

Only what is merged in full can be seen anywhere else: the studio changes in one transaction an export.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from textual.signal import Signal

from engine.errors import StudioError
from tui.keymap import keyed
from tui.pane import Pane
from tui.widgets.cells import number, plural

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.importers import ImportReport
    from engine.importers.finding import Export, Left
    from engine.importing import Imported
    from tui.app import UnderstudyApp
    from tui.screens.importing.owner import Question
    from tui.screens.importing.preview import Preview

SOURCE = "import"
"""The name of an import in the line on top."""


@dataclass
class Wanted:
    """What to import. preview: what lies at the paths, None where they are still to be looked into.

    owner: whose they all are. typed: the paths as a person gave them."""

    paths: Sequence[Path]
    preview: Preview | None = None
    owner: str | None = None
    typed: str = ""


@dataclass
class Import:
    """typed, preview: as they were wanted. rows, of: read so far and, where that can be told, in the end.
    imported, failed: what was taken over, and what was not and why. left: what is no export. error: why
    nothing was. owners: by source, who one is as far as that is known. questions: whose exports these are,
    as far as nobody was asked yet."""

    began: float
    typed: str = ""
    preview: Preview | None = None
    rows: int = 0
    of: int | None = None
    seconds: float = 0.0
    cancelled: bool = False
    ended: bool = False
    imported: Sequence[Imported] = ()
    failed: Sequence[tuple[str, StudioError]] = ()
    left: Sequence[Left] = ()
    error: StudioError | None = None
    owners: dict[str, str | None] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)


class Imports:
    """Publishes on `news` whenever the import came further. now: the one that goes on, or whose report
    nobody has looked at."""

    def __init__(self, app: UnderstudyApp) -> None:
        self.app = app
        self.news: Signal[Import] = Signal(app, "imports")
        self.now: Import | None = None

    @property
    def going(self) -> bool:
        return self.now is not None and not self.now.ended

    def begin(self, wanted: Wanted) -> Import:
        """Import what is wanted; nothing where an import goes on already. Returns the one that goes on."""
        if self.now is None or self.now.ended:
            self.now = Import(monotonic(), wanted.typed, wanted.preview)
            self._tell(self.now)
            self.app.run_worker(self._run(self.now, wanted), group="import")
        return self.now

    def cancel(self) -> None:
        """Stop at the next batch of rows; the studio stays as it was."""
        if self.now is not None:
            self.now.cancelled = True

    def seen(self) -> None:
        """The end of the import was looked at."""
        if not self.going:
            self.now = None
            self.app.status.publish(SOURCE, "")

    async def _run(self, now: Import, wanted: Wanted) -> None:
        """Everything at the paths, one export after the other; what cannot be read costs itself alone."""
        from engine.importers.finding import recognise_all
        from tui.screens.importing.preview import estimates

        def show(rows: int, of: int | None) -> None:
            now.rows, now.of, now.seconds = rows, of, monotonic() - now.began
            self._tell(now)

        try:
            exports: Sequence[Export]
            rows: Sequence[int] = ()
            if wanted.preview is None:
                found = await asyncio.to_thread(recognise_all, wanted.paths)
                exports, now.left = found.exports, found.left
            else:
                exports, now.left = [seen.export for seen in wanted.preview.exports], wanted.preview.left
                rows = estimates(wanted.preview)
            studio = await self.app.studio()
            now.imported, now.failed = await _take_over(
                studio,
                exports,
                owner=wanted.owner,
                estimates=rows,
                progress=show,
                cancelled=lambda: now.cancelled,
            )
            if now.imported:
                from engine.archive.reading import sources
                from tui.screens.importing.owner import questions

                known = {source.name: source.owner for source in await sources(studio)}
                now.owners = {one.source: known.get(one.source) for one in now.imported}
                now.questions = await questions(studio, [one.source for one in now.imported])
            else:
                now.error = now.failed[0][1]
        except StudioError as error:
            now.error = error
        now.seconds = monotonic() - now.began
        now.ended = True
        self._end(now)

    def _tell(self, now: Import) -> None:
        rate = f" · {number(round(now.rows / now.seconds))}/s" if now.seconds > 0.2 else ""
        of = f"/{number(now.of)}" if now.of else ""
        share = f"importing {100 * now.rows // max(now.rows, now.of)} %" if now.of else "importing"
        ways = [f"importing {number(now.rows)}{of}", share]
        self.app.status.publish(SOURCE, f"{ways[0]}{rate}", urgency=1, shorter=ways)
        self.news.publish(now)

    def _end(self, now: Import) -> None:
        """The screen of the import says by itself that it ended; on any other one the last line does, and
        the line on top until somebody comes back to it."""
        from tui.screens.importing import Importing

        said = "" if now.imported else str(now.error)
        if now.imported:
            self.app.touched()
            said = f"The import is done: {plural(sum(one.report.rows_read for one in now.imported), 'row')}."
        self.news.publish(now)  # whatever asks whether to quit goes now
        shown = self.app.screen
        self.app.status.publish(SOURCE, "")
        if not isinstance(shown, Importing):
            asks = "import done: who are you?" if now.questions else ""
            short = "import done" if now.imported else "nothing imported"
            self.app.status.publish(SOURCE, asks or short, urgency=2 if asks else 0)
            if isinstance(shown, Pane):
                shown.say(said, keyed("{conversations.import} in Conversations shows more.", shown))


def imports(app: UnderstudyApp) -> Imports:
    """The app's one."""
    if app not in _imports:
        _imports[app] = Imports(app)
    return _imports[app]


_imports: WeakKeyDictionary[UnderstudyApp, Imports] = WeakKeyDictionary()


async def _take_over(
    studio: Studio,
    exports: Sequence[Export],
    *,
    owner: str | None,
    estimates: Sequence[int],
    progress: Callable[[int, int | None], None],
    cancelled: Callable[[], bool],
) -> tuple[list[Imported], list[tuple[str, StudioError]]]:
    """What was imported, and what was not and why. estimates: rows in each export, as far as known.

    progress: rows of all exports so far, and of how many in the end. Cancelled, none is begun any more.
    """
    from engine.importing import begin, finish

    imported: list[Imported] = []
    failed: list[tuple[str, StudioError]] = []
    for place, export in enumerate(exports):
        before = sum(one.report.rows_read for one in imported)
        after = sum(estimates[place + 1 :])

        def show(now: ImportReport, before: int = before, after: int = after) -> None:
            of = before + max(now.rows_read, now.rows_total) + after if now.rows_total else None
            progress(before + now.rows_read, of)

        try:
            begun = await begin(export, cancelled=cancelled)
            done = await finish(studio, begun, owner=owner, progress=show, cancelled=cancelled)
        except StudioError as error:
            failed.append((export.importer.name, error))
            if cancelled():
                break
        else:
            imported.append(done)
    return imported, failed
