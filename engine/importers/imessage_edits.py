"""What became of a message after it was sent: its column message_summary_info.

A binary plist that lists, by the number of each part, every version (`ec`, oldest first, the last is the
current one), the parts as they were sent (`otr`) and the parts taken back (`rp`).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.conversation import LAST_TIME, Edit
from engine.importers import typedstream
from engine.importers.plists import dictionary, named

_PART = "__kIMMessagePartAttributeName"
_EPOCH = 978_307_200_000  # 2001-01-01 UTC in ms since 1970
_OBJECT = "\ufffc"


class History(msgspec.Struct, frozen=True):
    """versions: by part, oldest first. parts: those that are known. gone: those taken back."""

    versions: dict[str, tuple[Edit, ...]]
    parts: frozenset[str]
    gone: frozenset[str]

    @property
    def earlier(self) -> tuple[Edit, ...]:
        """What was said before, oldest first. What was taken back is not kept."""
        found = [
            edit
            for part in _in_order(self.versions)
            if part not in self.gone
            for edit in self.versions[part][:-1]
        ]
        return tuple(sorted((edit for edit in found if edit.text), key=lambda edit: edit.time or 0))


def is_in(summary: bytes | None) -> bool:
    """Whether there may be edits or parts taken back in it: told from the names in a binary plist."""
    return summary is not None and (b"Rec" in summary or b"Rrp" in summary)


def history(summary: bytes | None) -> History:
    """Empty where nothing can be read. Never raises."""
    found = dictionary(summary)
    versions = {part: _versions(edits) for part, edits in named(found.get("ec")).items()}
    unsent = found.get("rp")
    listed = unsent if isinstance(unsent, list) else []
    gone = frozenset(str(part) for part in listed if isinstance(part, int | str))
    parts = frozenset({*versions, *named(found.get("otr")), *gone})
    return History({part: edits for part, edits in versions.items() if edits}, parts, gone)


def current(past: History, body: bytes | None, plain: str) -> str:
    """The text that the message has now, "" where all of it was taken back.

    plain: what the row itself says. That is current, unless there is nothing or parts were taken back.
    """
    latest = {part: edits[-1].text for part, edits in past.versions.items()}
    if not past.gone and (plain or not latest):
        return plain
    spoken = _parts(body, plain)
    parts = _in_order({*past.parts, *spoken} - past.gone)
    now = "".join(latest.get(part, spoken.get(part, "")) for part in parts)
    if not now and plain and not past.gone >= set(past.parts):
        return plain
    return now


def _in_order(parts: Iterable[str]) -> list[str]:
    return sorted(parts, key=lambda part: (len(part), part))  # numbers, as texts


def _parts(blob: bytes | None, plain: str) -> dict[str, str]:
    """The text of each part of a message, by its number."""
    body = None if blob is None else typedstream.decode(blob)
    if body is None or not body.runs:
        return {"0": plain} if plain else {}
    parts: dict[str, str] = {}
    for run in body.runs:
        number = run.attributes.get(_PART)
        part = str(number) if isinstance(number, int | str) else "0"
        parts[part] = parts.get(part, "") + run.text
    return parts


def _versions(edits: object) -> tuple[Edit, ...]:
    found = []
    for edit in edits if isinstance(edits, list) else ():
        blob, date = (edit.get("t"), edit.get("d")) if isinstance(edit, dict) else (None, None)
        text = typedstream.text(blob) if isinstance(blob, bytes) else None
        if text is not None:
            found.append(Edit(text.replace(_OBJECT, ""), _time(date)))
    return tuple(found)


def _time(date: object) -> int | None:
    """date: seconds since 2001."""
    if not isinstance(date, int | float) or not 0 < date < 2**40:
        return None
    time = _EPOCH + int(date * 1000)
    return time if time < LAST_TIME else None
