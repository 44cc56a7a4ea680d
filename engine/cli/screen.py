"""Commands that open the screen: the studio itself, and the demo; and what a screen must have."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine import config
from engine.cli.output import say
from engine.errors import StudioError
from engine.folders import local_folder, studio_path


class ScreenRoom(NamedTuple):
    """open(studio, demo): run the screen, its exit code. moved: the actions that have other keys, and
    what is wrong in [keys].
    keys: (action's id, its keys, what it does) of every action."""

    open: Callable[[Path, bool], int]
    moved: Callable[[config.Loaded], tuple[Mapping[str, str], Sequence[config.Problem]]]
    keys: Callable[[config.Loaded], Sequence[tuple[str, str, str]]]


def studio(args: argparse.Namespace, screen: ScreenRoom | None) -> int:
    if screen is None or not _at_a_terminal():
        raise StudioError(
            "The screen needs a terminal.", "Run it in one, or see `understudy --help` for the commands."
        )
    return screen.open(studio_path(args.studio), False)


def demo(args: argparse.Namespace, screen: ScreenRoom | None) -> int:
    headless = args.headless or screen is None or not _at_a_terminal()
    with _studio_for_demo(args.studio) as path:
        from engine.cli.demo import load_samples, run

        if headless or screen is None:
            for problem in config.load().problems:
                say(str(problem))
            return asyncio.run(run(path, as_json=args.json))
        asyncio.run(load_samples(path))
        return screen.open(path, True)


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
