"""Several exports, one after the other: what cannot be read costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.errors import StudioError

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.importers import ImportReport
    from engine.importers.finding import Export
    from engine.importing import Imported


async def take_over(
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
            begun = await begin(export)
            done = await finish(studio, begun, owner=owner, progress=show, cancelled=cancelled)
        except StudioError as error:
            failed.append((export.importer.name, error))
            if cancelled():
                break
        else:
            imported.append(done)
    return imported, failed
