"""understudy senders: who is who, whose voice the model learns, and who is left out."""

from __future__ import annotations

import argparse

from engine.archive import PersonRow, Studio, leaving_out, owners, people, reading, suggestions
from engine.cli.browsing import find_conversation
from engine.cli.opening import existing_studio
from engine.cli.output import day, emit, number, out, plural, say, short, table
from engine.conversation import iso
from engine.errors import StudioError


async def senders(args: argparse.Namespace) -> int:
    async with await existing_studio(args) as studio:
        match args.action:
            case "join":
                await _join(studio, *args.names)
            case "split":
                await _split(studio, *args.names)
            case "same":
                await _same(args, studio)
            case "different":
                one, other = [await people.find_person(studio, name) for name in args.names]
                await suggestions.call_different(studio, one.id, other.id)
                say(f"{one.name} and {other.name} are two people.")
            case "ai":
                person = await people.find_person(studio, args.names[0])
                await people.set_ai(studio, person.id)
                say(f"{person.name} is the AI sender.")
            case "me":
                person = await people.find_person(studio, args.names[0])
                await owners.become(studio, person.id)
                say(f"You are {person.name} in {' and '.join(person.sources)}.")
            case "leave-out" | "take-in":
                await _leave_out(studio, args.names[0], args.there, args.action == "leave-out")
            case _:
                _print_people(args, await people.people(studio))
    return 0


async def _join(studio: Studio, first: str, second: str) -> None:
    keep, other = await people.find_person(studio, first), await people.find_person(studio, second)
    await people.join(studio, keep.id, other.id)
    # By name only what came can be taken off again, unless both had a name.
    names = {other.name, *other.aliases}
    some = "" if names & {keep.name, *keep.aliases} else "".join(f' "{name}"' for name in sorted(names))
    way_back = f"`understudy senders split {keep.id}{some}` takes it back."
    roles = {keep.role, other.role}
    out = " Both are left out of every dataset." if "left out" in roles and "ai" not in roles else ""
    say(f"{other.name} is now one person with {keep.name}.{out} {way_back}")


async def _split(studio: Studio, name: str, *aliases: str) -> None:
    person = await people.find_person(studio, name)
    parts = await people.split(studio, person.id, aliases)
    if len(parts) < 2:
        raise StudioError(f"{person.name} has no aliases to take apart.")
    way_back = " ".join(
        f"`understudy senders join {person.id} {part.id}`" for part in parts if part.id != person.id
    )
    say(f"{person.name} is now {number(len(parts))} people. {way_back} takes it back.")


async def _same(args: argparse.Namespace, studio: Studio) -> None:
    found = await suggestions.suggestions(studio, await people.people(studio))
    for two in found:
        if args.json:
            emit(
                {
                    "people": [two.keep.id, two.other.id],
                    "names": [two.keep.name, two.other.name],
                    "reason": two.reason,
                }
            )
        else:
            both = " · ".join(
                f"{short(one.name)} ({one.id}, {' '.join(one.sources)})" for one in (two.keep, two.other)
            )
            out(f"{both}: {two.reason}")
    say(f"{plural(len(found), 'suggestion')}. Nobody is joined by it.")
    if found:
        pair = f"{found[0].keep.id} {found[0].other.id}"
        say(f"`understudy senders join {pair}`, or `understudy senders different {pair}`, answers the first.")


async def _leave_out(studio: Studio, name: str, there: str | None, out: bool) -> None:
    person = await people.find_person(studio, name)
    if there is None:
        await people.leave_out(studio, person.id, out)
        said = "left out of every dataset" if out else "in the datasets again"
        more = (
            "" if out or not person.out_of else f" Still out of {plural(len(person.out_of), 'conversation')}."
        )
        say(f"{person.name} is {said}.{more}")
        return
    row = await reading.conversation(studio, await find_conversation(studio, there))
    await leaving_out.leave_out_there(studio, person.id, row.id, out)
    title = short(row.title) or f"conversation {row.id}"
    say(f"{person.name} is {'left out' if out else 'in again'} in {title}.")


def _print_people(args: argparse.Namespace, rows: list[PersonRow]) -> None:
    total = sum(row.messages for row in rows)
    if args.json:
        for row in rows:
            emit(
                {
                    "id": row.id,
                    "name": row.name,
                    "aliases": list(row.aliases),
                    "sources": list(row.sources),
                    "messages": row.messages,
                    "words": row.words,
                    "share": row.messages / total if total else 0.0,
                    "first": iso(row.first) if row.first is not None else None,
                    "last": iso(row.last) if row.last is not None else None,
                    "sample": row.sample,
                    "role": row.role,
                    "left_out_of": list(row.out_of),
                    "owner": row.is_owner,
                }
            )
        return
    table(
        [
            (
                row.name + (" (me)" if row.is_owner else ""),
                number(row.messages),
                f"{100 * row.messages / total:.1f} %" if total else "",
                f"{row.words / row.messages:.1f}" if row.words else "",
                " ".join(row.sources),
                day(row.first),
                day(row.last),
                _role(row),
                short(row.sample),
            )
            for row in rows
        ],
        right=(1, 2, 3),
    )
    say(
        f"{plural(len(rows), 'person', 'people')}, with messages, share of all {number(total)} messages,"
        " words a message, sources, first, last, role and a line of theirs."
    )
    say('`understudy chunks --ai "NAME"` cuts chunks for one of them.')


def _role(row: PersonRow) -> str:
    if row.role == "user" and row.out_of:
        return f"out in {number(len(row.out_of))}"
    return {"ai": "AI", "user": ""}.get(row.role, row.role)
