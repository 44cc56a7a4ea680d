"""From the archive to what the pane shows: the dataset, and what the checks say of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui.widgets.cells import plural

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import PersonRow
    from engine.dataset import Chunk, Dataset, Problem, Recipe

Progress = Callable[[int, int], None]

NOTHING_LEARNED = "no reply to learn from: a training leaves it out"


@dataclass(frozen=True)
class Made:
    """faults: by chunk index, what a service would refuse or the recipe had to change, in words.
    general: problems of the whole. refused: what a service would refuse, in words, or ""."""

    dataset: Dataset
    faults: dict[int, tuple[str, ...]]
    general: tuple[Problem, ...]
    refused: str


async def make(studio: Studio, recipe: Recipe, person: PersonRow, progress: Progress) -> Made:
    """The dataset of `person` with its checks. The work is done in threads."""
    from engine.dataset import make

    dataset = await make(studio, recipe, person, progress=progress)
    return await asyncio.to_thread(checked, dataset)


def checked(dataset: Dataset) -> Made:
    """The checks that a service makes, on the chunks that a training would send."""
    from msgspec.structs import replace

    from engine.dataset import check, example

    sent = [chunk for chunk in dataset.chunks if chunk.split != "test" and chunk.teaches]
    faults: dict[int, list[str]] = {
        chunk.index: list(chunk.problems) for chunk in dataset.chunks if chunk.problems
    }
    for chunk in dataset.chunks:
        if not chunk.teaches:
            faults.setdefault(chunk.index, []).append(NOTHING_LEARNED)
    general: list[Problem] = []
    errors: list[str] = []
    for problem in check(example(chunk) for chunk in sent):
        if problem.chunk is None:
            # A file has examples; here they are chunks.
            problem = replace(problem, message=problem.message.replace(" examples", " chunks"))
            general.append(problem)
        else:
            faults.setdefault(sent[problem.chunk].index, []).append(_own_words(problem.message))
        if problem.severity == "error":
            errors.append("" if problem.chunk is not None else problem.message)
    refused = next(filter(None, errors), plural(len(errors), "problem") if errors else "")
    return Made(dataset, {index: tuple(said) for index, said in faults.items()}, tuple(general), refused)


def _own_words(message: str) -> str:
    """The checks count the examples of a file; here the chunk itself is in view."""
    _, _, rest = message.partition(" ")
    number, _, rest = rest.partition(" ")
    return rest if number.rstrip(",").isdigit() else message


async def times(studio: Studio, chunks: Iterable[Chunk]) -> dict[int, int]:
    """When each of these chunks was said (its last message), in UTC milliseconds, by chunk index."""
    from engine.archive import reading
    from engine.errors import StudioError

    found = {}
    for chunk in chunks:
        if chunk.messages:
            last = chunk.messages[-1]
            try:
                rows = await reading.messages(studio, chunk.conversation, around=last, limit=1)
            except StudioError:
                continue  # that message is gone since; the chunk is shown without a date
            found[chunk.index] = rows[0].time
    return found


def turn_costs(chunk: Chunk) -> list[int]:
    """Tokens of each turn, as the dataset counts them."""
    from engine.dataset.chunks import turn_tokens

    return turn_tokens([turn.text for turn in chunk.turns])


def learned_in(dataset: Dataset, chunk: Chunk) -> dict[int, int]:
    """For each turn of `chunk` that is context only: the index of the chunk in which it is learned."""
    found = {}
    for place, turn in enumerate(chunk.turns):
        if turn.role == "assistant" and not turn.learned:
            for before in dataset.chunks[max(0, chunk.index - 4) : chunk.index]:
                if any(one.learned and set(one.messages) & set(turn.messages) for one in before.turns):
                    found[place] = before.index
    return found


def targets(path: Path) -> tuple[Path, Path]:
    """The training file, and the validation file beside it, as `understudy chunks --out` names them."""
    return path, path.with_suffix(f".valid{path.suffix}")


def refusal(text: str) -> str:
    """Why the files cannot be written where `text` says, or ""."""
    if not text.strip():
        return "This needs the name of a file."
    try:
        path = Path(text.strip()).expanduser()
    except RuntimeError:
        return "There is no user of that name."
    if path.is_dir():
        return f"{path} is a folder. Add the name of a file."
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} to write into. Make it first, or choose another."
    if not os.access(path.parent, os.W_OK):
        return f"Nothing can be written into {path.parent}. Choose another folder."
    return ""


def write(path: Path, dataset: Dataset) -> list[tuple[Path, int]]:
    """Write both files; what is kept for the test is in neither. Raises StudioError."""
    from engine.dataset import write_jsonl
    from engine.errors import StudioError

    if not path.parent.is_dir():
        raise StudioError(
            f"There is no folder {path.parent} to write into.", "Make it first, or choose another."
        )
    train, valid = targets(path)
    written = [(train, write_jsonl(train, dataset.split("train")))]
    if dataset.split("valid"):
        written.append((valid, write_jsonl(valid, dataset.split("valid"))))
    return written


def bars(values: Sequence[int], width: int) -> str:
    """A histogram of `values` in `width` cells."""
    if not values or width <= 0:
        return ""
    low, high = min(values), max(values)
    counts = [0] * width
    for value in values:
        counts[min(width - 1, (value - low) * width // max(1, high - low))] += 1
    most = max(counts)
    return "".join(" " if not count else "▁▂▃▄▅▆▇█"[min(7, count * 8 // (most + 1))] for count in counts)
