"""understudy forget: take a source out of the studio."""

from __future__ import annotations

import argparse
import sys

from engine.archive import forgetting
from engine.archive.forgetting import Forgotten
from engine.cli.opening import existing_studio
from engine.cli.output import ask, emit, plural, say
from engine.errors import StudioError


async def forget(args: argparse.Namespace) -> int:
    async with await existing_studio(args) as studio:
        source = await forgetting.find_source(studio, args.source)
        found = await forgetting.preview(studio, source)
        if not args.yes:
            _agree(found)
        done = await forgetting.forget(studio, source)
    if args.json:
        emit(
            {
                "source": done.source,
                "conversations": done.conversations,
                "messages": done.messages,
                "people": done.people,
                "ai": done.ai,
                "datasets": list(done.datasets),
                "jobs": [job.id or job.key for job in done.jobs],
                "models": [{"provider": provider, "model": model} for provider, model in done.models],
                "chats": done.chats,
                "erased": done.erased,
            }
        )
        return 0
    say(f"Forgotten: {what(done)}")
    for line in forgetting.left(done):
        say(line)
    return 0


def _agree(found: Forgotten) -> None:
    say(f"This goes: {what(found)}")
    if not sys.stdin.isatty():
        raise StudioError(
            f"{found.source} would be deleted, and nobody is here to agree.", "Add --yes if you do."
        )
    if ask(f"Forget {found.source} for good? [y/N]").lower() not in ("y", "yes"):
        raise StudioError("Nothing was deleted.")


def what(found: Forgotten) -> str:
    """One sentence with all that goes."""
    parts = [
        f"{plural(found.conversations, 'conversation')} with {plural(found.messages, 'message')}",
        f"{plural(found.people, 'person', 'people')} who wrote nowhere else",
    ]
    if found.ai:
        parts.append(f"the choice of {found.ai} as the AI sender")
    if found.datasets:
        some = "dataset" if len(found.datasets) == 1 else "datasets"
        parts.append(f"the {some} {', '.join(one[:8] for one in found.datasets)} with all chunks")
    return f"the source {found.source}, {', '.join(parts)}."
