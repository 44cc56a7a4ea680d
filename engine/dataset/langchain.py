"""The langchain preset: LangChain's documented recipe to the letter.

Source: langchain_community 0.4.2, chat_loaders.utils.merge_chat_runs and map_ai_messages,
adapters.openai.convert_messages_for_finetuning, and the chunking of its Messenger how-to. A test
compares the two message for message.
"""

from __future__ import annotations

from collections import Counter

from engine.archive.rows import Dialogue, MessageRow
from engine.conversation import Kind
from engine.dataset.cast import (
    AI_NEVER_SPEAKS,
    LEFT_OUT,
    NOT_SPEECH,
    SHORTER_THAN_A_CHUNK,
    TAIL,
    Cast,
)
from engine.dataset.chunks import CHUNK_TOKENS, Chunk, Turn, turn_tokens
from engine.dataset.recipe import Recipe


def chunks(dialogue: Dialogue, recipe: Recipe, cast: Cast) -> tuple[list[Chunk], Counter[str]]:
    """The chunks of one conversation (index 0, all train) and the messages dropped, by reason."""
    dropped: Counter[str] = Counter()
    rows = []
    for row in dialogue.messages:
        if row.person in cast.left_out:
            dropped[LEFT_OUT] += 1
        elif row.kind != Kind.SPEECH:
            dropped[NOT_SPEECH] += 1
        else:
            rows.append(row)
    turns = _merged(rows, recipe.join, cast)
    if not any(turn.role == "assistant" for turn in turns):
        dropped[AI_NEVER_SPEAKS] += len(rows)
        return [], dropped
    step = recipe.size - recipe.overlap
    starts = range(0, len(turns) - recipe.size + 1, step)
    costs = turn_tokens([turn.text for turn in turns])
    made = [
        Chunk(
            index=0,
            split="train",
            conversation=dialogue.conversation.id,
            title=dialogue.conversation.title,
            tokens=sum(costs[start : start + recipe.size]) + CHUNK_TOKENS,
            turns=tuple(turns[start : start + recipe.size]),
        )
        for start in starts
    ]
    end = starts[-1] + recipe.size if starts else 0
    dropped[TAIL if starts else SHORTER_THAN_A_CHUNK] += sum(len(turn.messages) for turn in turns[end:])
    return made, dropped


def _merged(rows: list[MessageRow], join: str, cast: Cast) -> list[Turn]:
    runs: list[tuple[MessageRow, list[str], list[int]]] = []
    for row in rows:
        if runs and runs[-1][0].sender == row.sender and cast.is_ai(runs[-1][0]) == cast.is_ai(row):
            runs[-1][1].append(row.text)
            runs[-1][2].append(row.id)
        else:
            runs.append((row, [row.text], [row.id]))
    return [
        Turn(
            role="assistant" if cast.is_ai(first) else "user",
            sender=first.sender,
            text=_joined(texts, join),
            messages=tuple(ids),
        )
        for first, texts, ids in runs
    ]


def _joined(texts: list[str], join: str) -> str:
    # LangChain strips after each joining, and leaves a text that was never joined as it is.
    text = texts[0]
    for other in texts[1:]:
        text = (text + join + other).strip()
    return text
