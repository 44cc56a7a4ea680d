"""Datasets and the studio: make one from the archive, keep it, get it back."""

from __future__ import annotations

import asyncio
import json
import time
import tomllib
from collections.abc import Callable

import msgspec

from engine.archive import datasets, people, reading
from engine.archive.rows import ChunkRow, DatasetRow, PersonRow
from engine.archive.studio import Studio
from engine.dataset.building import Building
from engine.dataset.cast import Cast
from engine.dataset.chunks import Chunk, Dataset, Turn
from engine.dataset.recipe import Recipe, from_toml, to_toml
from engine.errors import StudioError


async def make(
    studio: Studio,
    recipe: Recipe,
    person: PersonRow,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """The dataset that `recipe` makes of the archive with `person` as the AI sender. Nothing is saved.

    progress: told after each conversation how many of how many are done. The work is done in a
    thread, conversation by conversation; cancelling stops it at the next. Raises StudioError where
    the person is left out of training.
    """
    left_out = frozenset(row.id for row in await people.people(studio) if row.role == "left out")
    if person.id in left_out:
        raise StudioError(f"{person.name} is left out of training.", "Let them in again under Senders.")
    building = Building(recipe, Cast(person.id, person.name, left_out))
    total = (await reading.counts(studio)).conversations
    done = 0
    async for dialogue in reading.dialogues(studio):
        await asyncio.to_thread(building.add, dialogue)
        done += 1
        if progress is not None:
            progress(done, total)
    return await asyncio.to_thread(building.dataset)


async def save(studio: Studio, dataset: Dataset) -> None:
    """Keep the dataset; does nothing where the studio has it already."""
    row = DatasetRow(
        id=dataset.id,
        created_at=time.time_ns() // 1_000_000,
        recipe=card(dataset),
        ai=dataset.ai,
        train=len(dataset.split("train")),
        valid=len(dataset.split("valid")),
        test=len(dataset.split("test")),
        tokens=dataset.tokens,
        preset=dataset.recipe.preset,
    )
    chunks = await asyncio.to_thread(lambda: [_row(chunk) for chunk in dataset.chunks])
    await datasets.save_dataset(studio, row, chunks)


async def load(studio: Studio, id: str) -> Dataset:
    """The dataset of this id (or of its beginning), equal to the one saved. StudioError if none is."""
    row = await datasets.dataset(studio, id)
    rows = await datasets.chunks(studio, row.id)
    chunks = await asyncio.to_thread(lambda: tuple(map(_chunk, rows)))
    dropped = tomllib.loads(row.recipe).get("dropped", {})
    return Dataset(row.id, from_toml(row.recipe), row.ai, chunks, dropped)


def card(dataset: Dataset) -> str:
    """The recipe in TOML and what it dropped, by reason; itself a recipe that can be read again."""
    lines = [f"{json.dumps(reason)} = {count}\n" for reason, count in dataset.dropped.items()]
    return "".join([to_toml(dataset.recipe), "\n[dropped]\n", *lines])


_decode = msgspec.json.Decoder(tuple[Turn, ...]).decode


def _row(chunk: Chunk) -> ChunkRow:
    return ChunkRow(
        index=chunk.index,
        split=chunk.split,
        conversation=chunk.conversation,
        title=chunk.title,
        tokens=chunk.tokens,
        turns=msgspec.json.encode(chunk.turns).decode(),
        messages=chunk.messages,
    )


def _chunk(row: ChunkRow) -> Chunk:
    return msgspec.convert(
        {
            "index": row.index,
            "split": row.split,
            "conversation": row.conversation,
            "title": row.title,
            "tokens": row.tokens,
            "turns": _decode(row.turns),
        },
        Chunk,
    )
