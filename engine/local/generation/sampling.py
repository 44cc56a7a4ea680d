"""The next token from the model's logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

Logits = NDArray[numpy.float32]


def log_softmax(logits: Logits) -> NDArray[numpy.float64]:
    shifted = logits.astype(numpy.float64) - float(logits.max())
    return numpy.asarray(shifted - numpy.log(numpy.exp(shifted).sum()))


def likeliest(log_probabilities: NDArray[numpy.float64], count: int) -> list[int]:
    """The `count` tokens with the highest probability, the likeliest first."""
    if count <= 0:
        return []
    count = min(count, len(log_probabilities))
    found = numpy.argpartition(-log_probabilities, count - 1)[:count]
    return [int(token) for token in found[numpy.argsort(-log_probabilities[found], kind="stable")]]


def discouraged(logits: Logits, seen: Sequence[int], penalty: float) -> Logits:
    """`logits` with those of `seen` tokens lowered, as a model's own generation config may ask."""
    if penalty == 1.0 or not seen:
        return logits
    tokens = numpy.unique(numpy.asarray(seen))
    lowered = logits.copy()
    own = logits[tokens]
    lowered[tokens] = numpy.where(own < 0, own * numpy.float32(penalty), own / numpy.float32(penalty))
    return lowered


class Sampler:
    """Draws tokens. temperature 0: always the likeliest. The same seed and logits give the same tokens.

    top_p: only the likeliest tokens that together have this probability, at least one, can be drawn.
    """

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._random = numpy.random.default_rng(None if seed is None else seed % 2**64)

    def draw(self, logits: Logits) -> int:
        if self._temperature == 0:
            return int(logits.argmax())
        # From the difference to the highest: a tiny temperature must not overflow.
        scaled = (logits.astype(numpy.float64) - float(logits.max())) / self._temperature
        weights = numpy.exp(scaled)
        tokens, weights = self._nucleus(weights / weights.sum())
        sums = numpy.cumsum(weights)
        place = int(numpy.searchsorted(sums, self._random.random() * sums[-1], side="right"))
        return int(tokens[min(place, len(tokens) - 1)])

    def _nucleus(self, chances: NDArray[numpy.float64]) -> tuple[NDArray[numpy.intp], NDArray[numpy.float64]]:
        if self._top_p >= 1:
            return numpy.arange(len(chances)), chances
        # Those below the threshold together have less than 1 - top_p: only the few others are sorted.
        above = numpy.flatnonzero(chances >= (1 - self._top_p) / len(chances))
        order = above[numpy.argsort(-chances[above], kind="stable")]
        before = numpy.cumsum(chances[order]) - chances[order]
        kept = order[before < self._top_p] if self._top_p > 0 else order[:1]
        return kept, chances[kept]
