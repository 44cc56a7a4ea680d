"""Where things live. Every folder made here is private to the user (0700)."""

from __future__ import annotations

from pathlib import Path

from engine import config


def studio_path(given: str | None = None) -> Path:
    """The studio file: --studio, then the settings, then the user's data folder."""
    if given:
        return Path(given).expanduser().absolute()
    if chosen := config.load().settings.studio:
        return chosen
    return config.folder("data") / "studio.db"


def local_folder(studio: Path) -> Path:
    """The local provider's folder (files, jobs, models) beside its studio."""
    return studio.parent / f"{studio.stem}-local"


def private(folder: Path) -> Path:
    """Make `folder` and the folders above it (0700) where they are missing, and return it."""
    for part in (*reversed(folder.parents), folder):
        # mkdir(parents=True) would make those above with the umask's mode: others could rename ours away.
        if not part.is_dir():
            part.mkdir(mode=0o700, exist_ok=True)
    return folder
