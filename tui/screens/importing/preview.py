"""What lies at the typed paths, before anything is read: found in a thread, shown as lines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content

from tui.safe_text import safe_line
from tui.widgets.cells import fit, number, plural, wrap

if TYPE_CHECKING:
    from engine.archive import SourceRow
    from engine.importers.finding import Export, Left
    from engine.importers.survey import Survey

NOT_READ = "not read"
SHOWN = 4
"""Things that are not read of which each has a line."""


class Seen(NamedTuple):
    """One export. survey: None while it is looked into. before: what the studio has of its family."""

    export: Export
    survey: Survey | None = None
    before: SourceRow | None = None


class Preview(NamedTuple):
    exports: Sequence[Seen]
    left: Sequence[Left] = ()


class _Stopped(Exception):  # noqa: N818 - not an error
    pass


async def look(paths: Sequence[Path], sources: Sequence[SourceRow], show: Callable[[Preview], None]) -> None:
    """Call `show` with more and more of what lies at the paths. Cancelled, its thread soon ends too.

    Raises StudioError where there is nothing that can be imported.
    """
    from engine.importers.finding import recognise_all
    from engine.importers.survey import survey

    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise _Stopped

    try:
        found = await asyncio.to_thread(recognise_all, paths, check)
        known = {source.name: source for source in sources}
        seen = [Seen(export, None, known.get(export.importer.name)) for export in found.exports]
        for place, one in enumerate(seen):
            show(Preview(tuple(seen), found.left))
            seen[place] = one._replace(survey=await asyncio.to_thread(survey, one.export, check))
        show(Preview(tuple(seen), found.left))
    finally:
        stop.set()


def preview_lines(preview: Preview, width: int) -> Content:
    """Each export in two lines, then what is not read."""
    rows = [(safe_line(seen.export.importer.name), seen) for seen in preview.exports]
    label = 3 + min(20, max((len(name) for name, _ in rows), default=0))
    lines = []
    for name, seen in rows:
        about = _about(seen)
        while len(about) > 1 and len(" · ".join(about)) > width - label:
            about.pop()
        lines.append(_line(name, " · ".join(about), label, width))
        lines.append(_line("", _you(seen), label, width))
    return Content("\n").join([*lines, *_left(preview.left, label, width)])


def _left(left: Sequence[Left], label: int, width: int) -> list[Content]:
    shown = left[: SHOWN if len(left) > SHOWN + 1 else None]
    said = [f"{safe_line(one.name)}: {safe_line(one.why)}" for one in shown]
    if len(left) > len(shown):
        said.append(f"and {len(left) - len(shown):,} more")
    return [
        line
        for place, text in enumerate(said)
        for line in _lines("" if place else NOT_READ, text, label, width)
    ]


def _lines(name: str, text: str, label: int, width: int) -> list[Content]:
    """A sentence in full, beside its name."""
    parts = wrap(text, max(10, width - label))
    return [_line("" if place else name, part, label, width) for place, part in enumerate(parts)]


def _line(name: str, text: str, label: int, width: int) -> Content:
    style = "" if name == NOT_READ else "$foreground"
    return Content.assemble((fit(name, label), style), fit(text, width - label).rstrip())


def estimates(preview: Preview) -> list[int]:
    """Rows in each export, as far as that is known."""
    return [(seen.survey.rows or 0) if seen.survey else 0 for seen in preview.exports]


def outcome(
    owners: Mapping[str, str | None], failed: Sequence[tuple[str, str]], left: Sequence[Left], width: int
) -> Content:
    """Who one is in each source, as far as that is known, and what was not taken over and why."""
    said = [
        (source, f"you are {owner}" if owner else "who you are is not known: m in Senders says it")
        for source, owner in owners.items()
    ]
    rows = [(safe_line(name), safe_line(text)) for name, text in [*said, *failed]]
    label = 3 + min(20, max(len(name) for name, _ in rows))
    lines = [line for name, text in rows for line in _lines(name, text, label, width)]
    return Content("\n").join([*lines, *_left(left, label, width)])


def _about(seen: Seen) -> list[str]:
    export, survey = seen.export, seen.survey
    if len(export.paths) > 1:
        said = [plural(len(export.paths), "zip")]
    else:
        path = export.paths[0]
        said = [safe_line(path.name or str(path)) + ("/" if path.is_dir() else "")]
    if survey is None:
        return [*said, "looking into it"]
    if survey.zips:
        said.append(plural(survey.zips, "zip"))
    if survey.threads is not None:
        more = " or more" if survey.more else ""
        # Several chats of a chat.db may be one conversation.
        said.append(plural(survey.threads, "chat" if survey.mine else "conversation") + more)
    if survey.rows is not None:
        rows = survey.rows if survey.exact else _rounded(survey.rows)
        said.append(("" if survey.exact else "about ") + plural(rows, "row"))
    if survey.size:
        said.append(size(survey.size))
    return said


def _you(seen: Seen) -> str:
    survey, before = seen.survey, seen.before
    if before and before.owner:
        return f"you are {safe_line(before.owner)}, as before"
    if before and before.asked:
        return "who you are was not said"
    if survey and survey.owner:
        return f"you are {safe_line(survey.owner)}" + (
            "" if survey.mine else ", who is in every conversation"
        )
    if survey and survey.mine:
        return "it marks the messages that are yours"
    return "who you are is asked afterwards" if survey and survey.threads is not None else ""


def _rounded(rows: int) -> int:
    """An estimate with no more digits than it deserves."""
    step: int = 10 ** max(0, len(str(rows)) - 2)
    return round(rows / step) * step


def size(size: int) -> str:
    """412 MB"""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}" if size < 10 * unit else f"{size // unit:,} {name}"
    return f"{number(size)} bytes"
