"""Open the studio that a command works on."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.archive import PersonRow, Studio, open_studio, people
from engine.errors import StudioError
from engine.folders import local_folder, studio_path


async def existing_studio(args: argparse.Namespace) -> Studio:
    """The studio, which must exist: looking into nothing makes no file."""
    path = studio_path(args.studio)
    if not _exists(path):
        raise StudioError(
            f"There is no studio at {path} yet.",
            "Import an export with `understudy import PATH`, or try `understudy demo`.",
        )
    return await open_studio(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise StudioError(
            f"The studio {path} cannot be looked at: {error.strerror}.", "Name another with --studio PATH."
        ) from error


def local_provider(args: argparse.Namespace) -> Path:
    """The folder of the local provider that belongs to this command's studio."""
    return local_folder(studio_path(args.studio))


async def ai_person(studio: Studio, name: str | None) -> PersonRow:
    """The person of --ai, else the AI sender that was chosen in the studio."""
    if name:
        return await people.find_person(studio, name)
    chosen = await people.ai(studio)
    if chosen is None:
        names = ", ".join(person.name for person in (await people.people(studio))[:3])
        raise StudioError(
            "No AI sender is chosen yet.", f"Say whose voice to learn with --ai NAME, for example {names}."
        )
    return chosen
