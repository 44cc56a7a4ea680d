"""The studio file: everything Understudy knows, in one SQLite file.

Values and opening are here; what can be done stands in the modules, which are used by their names:

    from engine.archive import open_studio, people, reading, searching
    async with await open_studio(path) as studio:
        everybody = await people.people(studio)
        hits = await searching.search(studio, "slow and steady")
"""

from engine.archive.rows import (
    ChatRow,
    ChatTurnRow,
    CheckpointRow,
    ChunkRow,
    ConversationRow,
    Counts,
    DatasetRow,
    Dialogue,
    EventRow,
    Hit,
    ImportRow,
    JobRow,
    MessageRow,
    MetricRow,
    PersonRow,
    SourceRow,
)
from engine.archive.studio import Studio, open_studio

__all__ = [
    "ChatRow",
    "ChatTurnRow",
    "CheckpointRow",
    "ChunkRow",
    "ConversationRow",
    "Counts",
    "DatasetRow",
    "Dialogue",
    "EventRow",
    "Hit",
    "ImportRow",
    "JobRow",
    "MessageRow",
    "MetricRow",
    "PersonRow",
    "SourceRow",
    "Studio",
    "open_studio",
]
