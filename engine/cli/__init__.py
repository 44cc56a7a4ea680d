"""One command for every pane, without a screen."""

from __future__ import annotations

import argparse
import asyncio
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine import config, crash
from engine.cli.arguments import PATHS, parser
from engine.cli.output import say
from engine.errors import StudioError
from engine.folders import studio_path

if TYPE_CHECKING:
    from engine.cli.screen import ScreenRoom

__all__ = ["main"]


def main(argv: Sequence[str], screen: ScreenRoom | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 bad data or a failed job, 2 used wrongly, 130 interrupted, 128 + n after signal n.
    screen: the room that draws; the engine itself has none.
    """
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Any name can be printed on any terminal, and any bytes piped in be read.
            stream.reconfigure(errors="replace" if stream is sys.stdin else "backslashreplace")
    try:
        code = _run(argv, screen)
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        # The reader (head, less) went away: not an error, but Python would complain at exit.
        _close_output()
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _close_output()
        return 1
    return code


def _run(argv: Sequence[str], screen: ScreenRoom | None) -> int:
    args = _readable(parser().parse_args(argv))
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As an exception, so that everything on the way out tidies up behind itself.
        signal.signal(number, _leave)
    if args.tells:
        for problem in config.load().problems:
            say(str(problem))
    try:
        code: int = args.alone(args, screen) if args.alone else asyncio.run(args.run(args))
    except StudioError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    except BrokenPipeError:
        raise
    except Exception as bug:  # noqa: BLE001 - a traceback would show private messages to whoever looks
        if isinstance(bug, OSError) and bug.errno == errno.ENOSPC:
            say("There is no space left to write to. Free some and try again.")
            return 1
        log = crash.write(studio_path(args.studio).parent, bug)
        where = f"What happened, without any of your text: {log}" if log else "No crash log could be written."
        say(f"Understudy stopped because of a mistake in it. {where}")
        return 1
    return code


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _readable(args: argparse.Namespace) -> argparse.Namespace:
    """Bytes that are no text become U+FFFD in all that is no path: no file or service takes them."""
    for name, value in vars(args).items():
        if name in PATHS:
            continue
        if isinstance(value, str):
            setattr(args, name, _text(value))
        elif isinstance(value, list):
            setattr(args, name, [_text(one) for one in value])
    return args


def _text(given: str) -> str:
    return given.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _close_output() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nothing, stream.fileno())
