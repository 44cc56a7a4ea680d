"""understudy local usage and prune: what the local provider takes on disk, and room made."""

from __future__ import annotations

import argparse
import sys

from engine.cli.opening import local_provider
from engine.cli.output import ask, day, emit, plural, say, table
from engine.errors import StudioError
from engine.providers.local_disk import DiskItem, usage
from engine.providers.local_disk import prune as remove
from engine.providers.plan import size


async def show(args: argparse.Namespace) -> int:
    folder = local_provider(args)
    items = await usage(folder)
    _print(args, items)
    total = sum(item.bytes for item in items if item.kind != "base model")
    say(f"{size(total)} in {folder}.")
    if loaded := [item for item in items if item.kind == "base model"]:
        much = size(sum(item.bytes for item in loaded))
        say(f"{much} of base models lie in the hub's cache, for other programs too: they are never pruned.")
    spare = [item for item in items if item.prune]
    if spare:
        say(f"`understudy local prune` would free {size(sum(item.bytes for item in spare))}.")
    return 0


async def prune(args: argparse.Namespace) -> int:
    folder = local_provider(args)
    spare = [item for item in await usage(folder) if item.prune]
    if not spare:
        say("There is nothing to remove: all that lies there is needed.")
        return 0
    if not args.yes:
        _print(args, spare)
        what = f"{plural(len(spare), 'thing')}, {size(sum(item.bytes for item in spare))}"
        if not sys.stdin.isatty():
            raise StudioError(
                f"{what} would be removed, and nobody is here to agree.", "Add --yes if you do."
            )
        if ask(f"Remove {what}, for good? [y/N]").lower() not in ("y", "yes"):
            raise StudioError("Nothing was removed.")
    gone = await remove(folder, spare)
    if args.json or args.yes:
        _print(args, gone)
    say(f"Removed {plural(len(gone), 'thing')}: {size(sum(item.bytes for item in gone))}.")
    return 0


def _print(args: argparse.Namespace, items: list[DiskItem]) -> None:
    if args.json:
        for item in items:
            emit(
                {
                    "kind": item.kind,
                    "id": item.id,
                    "bytes": item.bytes,
                    "created_at": item.created_at,
                    "prune": item.prune or None,
                    "path": item.path,
                }
            )
        return
    table(
        [(item.kind, item.id, size(item.bytes), day(item.created_at * 1000), item.prune) for item in items],
        right=(2,),
    )
