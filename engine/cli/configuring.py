"""`understudy config`: what is in force and where it comes from, and a file to begin with."""

from __future__ import annotations

import argparse
import os
from typing import Any

from engine import config
from engine.cli.output import emit, say, table
from engine.cli.screen import ScreenRoom
from engine.config import starting_file
from engine.errors import StudioError
from engine.folders import studio_path


def config_command(args: argparse.Namespace, screen: ScreenRoom | None) -> int:
    if args.action == "init":
        starting_file.write(config.file())
        say(f"Wrote {config.file()}.")
        return 0
    loaded = config.load()
    if args.action == "keys":
        return _keys(args, loaded, screen)
    moved, problems = screen.moved(loaded) if screen else (loaded.settings.keys, ())
    problems = [*loaded.problems, *problems]
    rows = [
        (option.name, _value(loaded.settings, option.name), loaded.sources.get(option.name, "default"))
        for option in config.options()
        if option.name not in ("studio", "keys")
    ]
    rows.append(("keys", dict(moved), loaded.sources.get("keys", "default") if moved else "default"))
    where = "--studio" if args.studio else loaded.sources.get("studio", "default")
    rows.insert(0, ("studio", str(studio_path(args.studio)), where))
    if args.json:
        for name, value, source in rows:
            emit({"option": name, "value": value, "source": source})
    else:
        there = os.path.lexists(config.file())
        say(
            f"{config.file()}" if there else f"{config.file()} (none yet: `understudy config init` writes it)"
        )
        table((name, _shown(value), source) for name, value, source in rows)
    for problem in problems:
        say(str(problem))
    return 1 if problems else 0


def _keys(args: argparse.Namespace, loaded: config.Loaded, screen: ScreenRoom | None) -> int:
    if screen is None:
        raise StudioError("There is no screen here, so there are no keys.", "Run `understudy config keys`.")
    rows = screen.keys(loaded)
    if args.json:
        for name, keys, does in rows:
            emit({"action": name, "keys": keys.split(","), "does": does})
    else:
        table(rows)
    return 0


def _shown(value: Any) -> str:
    return ", ".join(sorted(value)) or "none" if isinstance(value, dict) else starting_file.written(value)


def _value(settings: config.Settings, name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value
