"""Whose export it is: said after an import, and asked once where nobody can tell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from engine.archive import open_studio, reading
from engine.archive.owners import Candidate, answer, candidates
from engine.cli.output import ask, plural, say
from engine.conversation import NAMELESS
from engine.folders import studio_path
from engine.importing import Imported
from engine.safe_text import harmless_line


async def owners(args: argparse.Namespace, imported: Sequence[Imported]) -> None:
    """Say whose exports these are, or ask. One source may be named more than once."""
    if not imported:
        return
    async with await open_studio(studio_path(args.studio)) as studio:
        # An import that came later may have told the name.
        known = {source.name: source.owner for source in await reading.sources(studio)}
        for source, report in {one.source: one.report for one in imported}.items():
            owner = known.get(source)
            if owner in (None, NAMELESS) and not args.owner:
                people = await candidates(studio, source)
                if people and sys.stdin.isatty() and sys.stderr.isatty():
                    chosen = _ask(source, people)
                    await answer(studio, source, chosen.sender if chosen else None)
                    owner = chosen.name if chosen else owner
            if not args.json:
                _say(args, source, owner, report.owner_addresses)


def _ask(source: str, people: Sequence[Candidate]) -> Candidate | None:
    say(f"Whose export is {source}? It cannot be told from it.")
    for place, one in enumerate(people, 1):
        say(f"  {place:>3}  {one.name}, {plural(one.messages, 'message')}")
    while True:
        given = ask(f"1 to {len(people)}, or enter for none of them:")
        if not given:
            return None
        by_name = [one for one in people if one.name.casefold() == given.casefold()]
        if len(by_name) == 1:
            return by_name[0]
        if given.isdecimal() and len(given) < 4 and 1 <= int(given) <= len(people):
            return people[int(given) - 1]


def _say(args: argparse.Namespace, source: str, owner: str | None, addresses: Sequence[str]) -> None:
    if owner == NAMELESS:  # iMessage knows its owner, but not by name
        known = f" ({', '.join(map(harmless_line, addresses))})" if addresses else ""
        hint = "Import it again with --owner NAME to be called by your name."
        say(f'You are "{NAMELESS}" in {source}{known}. {hint}')
    elif owner is None:
        say(f"Whose export {source} is cannot be told from it. `understudy senders me NAME` says so.")
    elif args.owner in (None, owner):
        say(f"{source} is the export of {owner}.")
