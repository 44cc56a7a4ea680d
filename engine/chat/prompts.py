"""Which system prompt a model should hear."""

from __future__ import annotations

from engine.archive import Studio
from engine.archive.jobs import checkpoints, jobs


async def system_prompt(studio: Studio, model: str) -> str:
    """The one that `model` was trained with, "" where it is not ours.

    model: a job's, a checkpoint of one, or the name that an exported one has in another program.
    """
    known = await jobs(studio)
    for row in known:
        if row.model is not None and (model == row.model or model.startswith(f"{row.model}:")):
            return row.system
    for row in known:  # a cancelled job has no model, but its checkpoints can be talked to
        if row.model is None and model in [found.model for found in await checkpoints(studio, row.key)]:
            return row.system
    for row in known:
        if row.id and model.partition(":")[0].endswith(f"-{row.id.removeprefix('ftjob-')[:8]}"):
            return row.system
    return ""
