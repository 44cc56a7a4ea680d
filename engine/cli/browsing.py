"""understudy conversations and show: look at what was imported."""

from __future__ import annotations

import argparse
import difflib
from datetime import datetime
from typing import Any

from engine.archive import ConversationRow, MessageRow, Studio, leaving_out, query, reading, searching
from engine.cli.opening import existing_studio
from engine.cli.output import day, emit, minute, number, out, plural, say, short, table
from engine.conversation import Kind, iso
from engine.errors import StudioError


async def conversations(args: argparse.Namespace) -> int:
    async with await existing_studio(args) as studio:
        if args.action:
            return await _leave_out(studio, args.conversation, args.action == "leave-out")
        if args.search:
            return await _search(args, studio)
        rows = await reading.conversations(studio, source=args.source)
        if args.source and not rows:
            names = ", ".join(source.name for source in await reading.sources(studio))
            raise StudioError(f'There is no source called "{args.source}".', f"There are: {names}.")
        if args.json:
            for row in rows:
                emit(
                    {
                        "id": row.id,
                        "title": row.title,
                        "source": row.source,
                        "kind": row.kind,
                        "section": row.section,
                        "people": list(row.people),
                        "messages": row.messages,
                        "first": iso(row.first) if row.first is not None else None,
                        "last": iso(row.last) if row.last is not None else None,
                        "left_out": row.left_out,
                        "without": [name for _, name in row.without],
                    }
                )
            return 0
        table(
            [
                (
                    row.id,
                    row.title,
                    row.source,
                    number(row.messages),
                    day(row.first),
                    day(row.last),
                    left_out(row),
                )
                for row in rows
            ],
            right=(0, 3),
        )
        say(f"{plural(len(rows), 'conversation')}. `understudy show NUMBER` prints one.")
    return 0


def left_out(row: ConversationRow) -> str:
    """What of it goes into no dataset, in words."""
    return (
        "left out"
        if row.left_out
        else f"without {', '.join(name for _, name in row.without)}" * bool(row.without)
    )


async def _leave_out(studio: Studio, given: str, out: bool) -> int:
    row = await reading.conversation(studio, await find_conversation(studio, given))
    await leaving_out.leave_out_conversation(studio, row.id, out)
    way_back = f"`understudy conversations {'take-in' if out else 'leave-out'} {row.id}` takes it back."
    said = "is left out of every dataset." if out else "is in the datasets again."
    say(f"{short(row.title) or row.id} {said} {way_back}")
    return 0


async def _search(args: argparse.Namespace, studio: Studio) -> int:
    if problems := query.parse(args.search, datetime.now()).problems:
        raise StudioError(problems[0])
    hits = await searching.search(studio, args.search)
    if args.json:
        for hit in hits:
            emit({**_message(hit.message), "title": hit.title})
        return 0
    for hit in hits:
        out(
            f"{short(hit.title)} · {minute(hit.message.time)}"
            f" · {short(hit.message.sender)} · show {hit.message.conversation} --around {hit.message.id}"
        )
        out("  " + " ".join("".join(text for text, _ in hit.snippet).split()))
    found = f"{plural(len(hits), 'message')} found, the best matches first."
    say(found if hits else "No message has these words.")
    return 0


async def show(args: argparse.Namespace) -> int:
    async with await existing_studio(args) as studio:
        conversation = await find_conversation(studio, args.conversation)
        messages = await reading.messages(studio, conversation, around=args.around)
        for message in messages:
            if args.json:
                emit(_message(message))
            else:
                out(f"{minute(message.time)}  {message.sender}: {_line(message)}")
    return 0


def _line(message: MessageRow) -> str:
    markers = " ".join(f"[{attachment.kind}]" for attachment in message.attachments)
    text = " ".join(part for part in (message.text, markers) if part)
    if message.kind is Kind.UNSENT:
        text = f"[unsent] {text}".strip()
    reactions = " ".join(f"{reaction.emoji} {reaction.actor}" for reaction in message.reactions)
    return (text or f"[{message.kind}]") + (f"  ({reactions})" if reactions else "")


def _message(message: MessageRow) -> dict[str, Any]:
    return {
        "id": message.id,
        "conversation": message.conversation,
        "sender": message.sender,
        "time": iso(message.time),
        "text": message.text,
        "kind": str(message.kind),
        "reactions": [{"actor": one.actor, "emoji": one.emoji} for one in message.reactions],
        "attachments": [{"kind": str(one.kind), "name": one.name} for one in message.attachments],
        "reply_to": message.reply_to,
        "edited": message.edited,
        "edits": [
            {"text": one.text, "time": None if one.time is None else iso(one.time)} for one in message.edits
        ],
    }


async def find_conversation(studio: Studio, given: str) -> int:
    """The id of the conversation of this number or title. StudioError where there is none, or more."""
    if given.isdecimal() and len(given) < 19:  # more digits than any number of ours
        return (await reading.conversation(studio, int(given))).id
    rows = await reading.conversations(studio)
    same = [row.id for row in rows if row.title.casefold() == given.casefold()]
    if len(same) == 1:
        return same[0]
    if same:
        numbers = ", ".join(str(one) for one in same[:5]) + (", ..." if len(same) > 5 else "")
        raise StudioError(f'{len(same)} conversations are called "{given}".', f"Give its number: {numbers}.")
    near = difflib.get_close_matches(given, [row.title for row in rows], n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`understudy conversations` lists them all."
    raise StudioError(f'No conversation is called "{given}".', hint)
