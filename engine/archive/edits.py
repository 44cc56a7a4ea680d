"""What edited messages said before, kept when an import is taken over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

History = tuple[str, str, str | None]
"""Of one message: its conversation's key, its own key, and its Edits as JSON."""

# A longer history is a later one. What was taken back altogether is not kept (NULL).
KEEP = """
UPDATE messages SET edits = :edits
WHERE conversation = (SELECT id FROM conversations WHERE source = :source AND key = :conversation)
    AND key = :key AND key <> '' AND (:edits IS NULL OR length(:edits) >= length(coalesce(edits, '')))
"""


def keep_edits(connection: sqlite3.Connection, source: int, found: Iterable[History]) -> None:
    """Give the messages their histories: inside the import's transaction, when they are all there."""
    connection.executemany(
        KEEP,
        (
            {"source": source, "conversation": conversation, "key": key, "edits": edits}
            for conversation, key, edits in found
        ),
    )
