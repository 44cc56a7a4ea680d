"""Commands that open the screen: the studio itself, and the demo."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import StudioError
from engine.folders import local_folder, studio_path

OpenScreen = Callable[[Path, bool], int]


def studio(args: argparse.Namespace, open_screen: OpenScreen | None) -> int:
    if open_screen is None or not _at_a_terminal():
        raise StudioError(
            "The screen needs a terminal.", "Run it in one, or see `understudy --help` for the commands."
        )
    return open_screen(studio_path(args.studio), False)


def demo(args: argparse.Namespace, open_screen: OpenScreen | None) -> int:
    headless = args.headless or open_screen is None or not _at_a_terminal()
    with _studio_for_demo(args.studio) as path:
        from engine.cli.demo import load_samples, run

        if headless or open_screen is None:
            return asyncio.run(run(path, as_json=args.json))
        asyncio.run(load_samples(path))
        return open_screen(path, True)


def _at_a_terminal() -> bool:
    # The screen is drawn on standard error; output that goes elsewhere means a script is reading.
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


@contextmanager
def _studio_for_demo(given: str | None) -> Iterator[Path]:
    """The studio that was asked for, else one in a temporary folder that goes away with its server."""
    if given:
        yield studio_path(given)
        return
    folder = Path(tempfile.mkdtemp(prefix="understudy-demo-"))
    path = folder / "studio.db"
    try:
        yield path
    finally:
        from engine.providers import local_process

        asyncio.run(local_process.stop(local_folder(path)))
        shutil.rmtree(folder, ignore_errors=True)
