"""What every local model does with a finished reply: cut it, choose among several, stream it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence

import numpy as np

from engine.local.trainers import Piece

LEAST = 0.1  # a candidate less likely than this beside the best is not taken


def stream(
    parts: Sequence[bytes], text: str, origin: str | None, similarity: float | None
) -> Iterator[Piece]:
    """`text`, which `parts` (the bytes of tokens) begin with, as Pieces of whole characters.

    The last piece carries the origin.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    left = text
    ready: Piece | None = None
    tokens = 0
    for part in parts:
        tokens += 1
        piece = decoder.decode(part)[: len(left)]
        if not piece:
            continue
        if ready is not None:
            yield ready
        left = left[len(piece) :]
        ready = Piece(piece, tokens)
        tokens = 0
        if not left:
            break
    if ready is not None:
        yield Piece(ready.text, ready.tokens, origin, similarity)


def cut(parts: Sequence[bytes], tokens: Sequence[int], max_tokens: int, stop: Sequence[str]) -> str:
    """The text of at most `max_tokens` tokens, up to the first stop text, without a broken character."""
    text = b"".join(parts[token] for token in tokens[: max(0, max_tokens)]).decode("utf-8", "ignore")
    for each in stop:
        if each:
            text = text.split(each, 1)[0]
    return text.rstrip()


def choose(scores: Sequence[float], rng: np.random.Generator, temperature: float, top_p: float) -> int:
    """One of the candidates: the best at temperature 0, else drawn from the softmax of the scores, without
    those far behind the best."""
    values = np.array(scores)
    if temperature <= 0:
        return int(values.argmax())
    p = np.exp((values - values.max()) / temperature)
    p[p < LEAST] = 0.0
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    kept = order[: int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1]
    return int(rng.choice(kept, p=p[kept] / p[kept].sum()))
