"""Datasets: what a recipe once gave. They are immutable; the same id is the same dataset."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.archive.names import nearest
from engine.archive.rows import ChunkRow, DatasetRow
from engine.archive.studio import Studio
from engine.errors import StudioError

DATASET = "SELECT id, created_at, recipe, ai, train, valid, test, tokens, preset FROM datasets"


async def save_dataset(studio: Studio, row: DatasetRow, chunks: Iterable[ChunkRow]) -> None:
    """Keep a dataset with all its chunks. Does nothing where its id is there already."""
    values = [
        (row.id, c.index, c.split, c.conversation, c.title, c.tokens, c.turns, _encode(c.messages))
        for c in chunks
    ]
    async with studio.writing() as connection:
        cursor = await connection.execute(
            "INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            msgspec.structs.astuple(row),
        )
        if cursor.rowcount:
            await connection.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


async def datasets(studio: Studio) -> list[DatasetRow]:
    """Every dataset, the newest first."""
    return await studio.rows(DatasetRow, f"{DATASET} ORDER BY created_at DESC, rowid DESC")


async def dataset(studio: Studio, id: str) -> DatasetRow:
    """The dataset of this id, or of an id that alone begins so. Raises StudioError where there is none."""
    known = await datasets(studio)
    found = [row for row in known if row.id == id] or [row for row in known if id and row.id.startswith(id)]
    if len(found) != 1:
        some = "Several datasets begin with" if found else "There is no dataset"
        near = nearest(id, [row.id for row in found or known])
        raise StudioError(f'{some} "{id}".', near or "`understudy chunks --ai NAME` makes one.")
    return found[0]


async def chunks(studio: Studio, id: str, split: str | None = None) -> list[ChunkRow]:
    """The chunks of a dataset in order, or those of one split."""
    return await studio.rows(
        _chunk,
        "SELECT place, split, conversation, title, tokens, turns, messages FROM chunks"
        " WHERE dataset = ?1 AND (?2 IS NULL OR split = ?2) ORDER BY place",
        (id, split),
    )


def _chunk(
    index: int, split: str, conversation: int, title: str, tokens: int, turns: str, messages: str
) -> ChunkRow:
    return ChunkRow(index, split, conversation, title, tokens, turns, _decode(messages))


_decode = msgspec.json.Decoder(tuple[int, ...]).decode


def _encode(messages: tuple[int, ...]) -> str:
    return msgspec.json.encode(messages).decode()
