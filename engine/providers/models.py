"""Which models a provider has."""

from __future__ import annotations

import re

import msgspec

from engine.errors import StudioError
from engine.providers.connection import Connection
from engine.providers.failures import explain


class ModelInfo(msgspec.Struct, frozen=True):
    """created: seconds since 1970, 0 where the provider does not say. shutdown_date: YYYY-MM-DD.
    fine_tuned: it is the result of a job. base: jobs can start from it."""

    id: str
    owned_by: str
    created: int
    shutdown_date: str | None
    fine_tuned: bool
    base: bool


async def models(connection: Connection) -> list[ModelInfo]:
    """All models: the fine-tuned first (newest first, each before its checkpoints), then the bases, then the
    rest by name.

    Raises StudioError. Empty where the provider has no list.
    """
    import openai

    if "models" not in connection.calls:
        return []
    try:
        listed = [model async for model in connection.openai.models.list()]
    except (openai.OpenAIError, OSError) as error:
        raise explain(error, connection.provider) from error
    retires = {offer.model: offer.retires for offer in connection.provider.offers if offer.retires}
    found = [
        ModelInfo(
            id=model.id,
            owned_by=model.owned_by or "",
            created=model.created or 0,
            shutdown_date=model.shutdown_date or (str(retires[model.id]) if model.id in retires else None),
            fine_tuned=model.id.startswith("ft:"),
            base=model.id in connection.provider.base_models,
        )
        for model in listed
    ]
    ended: dict[str, int] = {}
    for model in found:
        ended[_job(model.id)] = max(model.created, ended.get(_job(model.id), 0))
    return sorted(
        found,
        key=lambda m: (
            not m.fine_tuned,
            not m.base,
            -ended[_job(m.id)] if m.fine_tuned else 0,
            _natural(m.id),
        ),
    )


def _job(name: str) -> str:
    """What a checkpoint shares with its model; they stand together, whichever second each was made in."""
    return name.partition(":ckpt-")[0]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts ckpt-step-63 before ckpt-step-126."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", name)]


async def delete_model(connection: Connection, id: str) -> None:
    """Delete a fine-tuned model (or a checkpoint) at the provider. Raises StudioError."""
    import openai

    if "models" not in connection.calls:
        raise StudioError(
            f"{connection.provider.name} has no call that deletes models.", "Delete it on its own pages."
        )
    if "jobs" not in connection.calls:
        raise StudioError(
            f"{connection.provider.host} only chats: its models cannot be deleted from here.",
            "Delete it with the program that serves it.",
        )
    try:
        await connection.openai.models.delete(id)
    except (openai.OpenAIError, OSError) as error:
        known = [row.id for row in await models(connection)]
        raise explain(error, connection.provider, known) from error
