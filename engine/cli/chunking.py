"""understudy chunks and check: cut training chunks, inspect them, write them as JSONL."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from engine import tokens
from engine.cli.opening import ai_person, existing_studio
from engine.cli.output import emit, number, out, plural, say
from engine.dataset import Chunk, Dataset, Recipe, checks, formats, make, preset, read_recipe, save
from engine.errors import DataError, StudioError
from engine.providers import provider

SHOWN = 3
"""Chunks that are printed for a person to look at."""


def chosen_recipe(args: argparse.Namespace) -> Recipe:
    """--recipe FILE, else --preset, else the studio preset."""
    return read_recipe(Path(args.recipe).expanduser()) if args.recipe else preset(args.preset or "studio")


async def chunks(args: argparse.Namespace) -> int:
    recipe = chosen_recipe(args)
    async with await existing_studio(args) as studio:
        person = await ai_person(studio, args.ai)
        dataset = await make(studio, recipe, person)
        if args.out:
            await save(studio, dataset)
    problems = checks.check(formats.example(chunk) for chunk in dataset.chunks if chunk.split != "test")
    written = _write(Path(args.out).expanduser(), dataset) if args.out else []
    if args.json:
        for chunk in dataset.chunks:
            emit(_json(chunk))
    elif not args.out:
        for chunk in dataset.chunks[:SHOWN]:
            _print(chunk)
        if len(dataset.chunks) > SHOWN:
            rest = number(len(dataset.chunks) - SHOWN)
            say(f"and {rest} more: --json prints them all, --out FILE writes them.")
    say(summary(dataset))
    for reason, count in sorted(dataset.dropped.items(), key=lambda item: -item[1]):
        say(f"left out: {number(count)} messages, {reason}")
    for path, count in written:
        say(f"{number(count)} chunks written to {path}")
    _say_problems(problems)
    if recipe.preset == "langchain" and any(p.code == "example_missing_assistant_message" for p in problems):
        say("LangChain's recipe cuts chunks without a reply; `understudy train` leaves those out.")
    if any(problem.code == "invalid_n_examples" for problem in problems):
        raise DataError("This cannot be trained.", "Choose another person, another recipe, or import more.")
    return 0


def _say_problems(problems: list[checks.Problem], most: int = 5) -> None:
    """The first of each severity's problems, errors first; `understudy check` lists every one."""
    ordered = sorted(problems, key=lambda problem: problem.severity != "error")
    for problem in ordered[:most]:
        say(f"{problem.severity}: {problem.message}")
    if len(ordered) > most:
        say(f"and {number(len(ordered) - most)} more; `understudy check FILE` lists them all.")


def summary(dataset: Dataset) -> str:
    splits = Counter(chunk.split for chunk in dataset.chunks)
    about = "" if tokens.is_exact() else "≈"
    parts = [f"{number(splits['train'])} training chunks"]
    if splits["valid"]:
        parts.append(f"{number(splits['valid'])} for validation")
    if splits["test"]:
        parts.append(f"{number(splits['test'])} kept for the test")
    parts.append(f"{about}{number(sum(chunk.tokens for chunk in dataset.chunks))} tokens")
    return f"dataset {dataset.id}: {', '.join(parts)}"


def _write(path: Path, dataset: Dataset) -> list[tuple[Path, int]]:
    """Training chunks to `path`, validation chunks beside it; the held-out test is never written."""
    if not path.parent.is_dir():
        raise StudioError(
            f"There is no folder {path.parent} to write into.", "Make it first, or choose another."
        )
    targets = {"train": path, "valid": path.with_suffix(f".valid{path.suffix}")}
    written = []
    for split, target in targets.items():
        chunks = [chunk for chunk in dataset.chunks if chunk.split == split]
        if chunks or split == "train":
            formats.write_jsonl(target, chunks)
            written.append((target, len(chunks)))
    return written


def _print(chunk: Chunk) -> None:
    out(f"chunk {chunk.index + 1} · {chunk.split} · {chunk.title} · {number(chunk.tokens)} tokens")
    for turn in chunk.turns:
        mark = "·" if turn.role == "system" else "│" if turn.role == "user" or turn.weight == 0 else "▌"
        first, *rest = turn.text.splitlines() or [""]
        out(f"  {mark} {turn.role:<9} {first}")
        for line in rest:
            out(f"  {mark} {'':<9} {line}")
    out("")


def _json(chunk: Chunk) -> dict[str, object]:
    return {
        "index": chunk.index,
        "split": chunk.split,
        "conversation": chunk.conversation,
        "title": chunk.title,
        "tokens": chunk.tokens,
        "turns": [
            {
                "role": turn.role,
                "sender": turn.sender,
                "text": turn.text,
                "weight": turn.weight,
                "messages": list(turn.messages),
            }
            for turn in chunk.turns
        ],
    }


async def check(args: argparse.Namespace) -> int:
    rules = provider(args.provider)
    count, problems = checks.check_file(
        Path(args.file).expanduser(),
        min_examples=rules.min_examples,
        max_tokens=rules.max_tokens,
        max_bytes=rules.max_bytes,
    )
    for problem in problems:
        if args.json:
            emit(
                {
                    "code": problem.code,
                    "message": problem.message,
                    "chunk": problem.chunk,
                    "severity": problem.severity,
                }
            )
        else:
            out(f"{problem.severity}: {problem.message}")
    errors = sum(problem.severity == "error" for problem in problems)
    say(
        f"{plural(count, 'example')}, {plural(errors, 'error')}, {plural(len(problems) - errors, 'warning')}."
    )
    return 1 if errors else 0
