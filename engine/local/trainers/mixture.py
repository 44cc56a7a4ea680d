"""The mixture: copying from the replies to similar moments, Kneser-Ney and the neural model.

Its weights depend on how much of the reply so far agrees with a retrieved one, and come from EM on
replies that none of the three was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from engine.local.trainers.vocabulary import UNKNOWN, Lines, Spelling

MATCH = 4  # the longest agreement that counts
COPY, COUNTED, NEURAL = 0, 1, 2
# No agreement, the first token, then 1, 2, 3, 4 or more tokens in agreement.
SITUATIONS = 6
PRIOR = np.tile([0.2, 0.4, 0.4], (SITUATIONS, 1))
PRIOR_TOKENS = 10.0


class Copies:
    """Retrieved replies laid end to end, each after an END, to copy the next token from."""

    def __init__(self, lines: Lines, moments: Sequence[int], weights: Sequence[float]) -> None:
        parts = [lines[moment] for moment in moments]
        closed = [np.zeros(1, np.int32), *parts]
        self.tokens = np.concatenate(closed).astype(np.int64)
        self.weights = np.repeat(np.array(weights, np.float64), [len(part) for part in parts])
        self.first = np.concatenate([[0], np.cumsum([len(part) for part in parts])[:-1]]).astype(np.int64)

    def next(self, history: Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], int]:
        """Tokens that may follow `history`, their weights (sum 1, tokens may repeat), and the situation.

        history: the reply so far, oldest first; may be empty.
        """
        if not len(self.weights):
            return np.zeros(0, np.int64), np.zeros(0), 0
        if not history:
            return self.tokens[self.first + 1], self.weights[self.first], 1
        places = np.flatnonzero(self.tokens[:-1] == history[-1])
        length = 1
        while length < min(MATCH, len(history)) and len(places):
            longer = places[places >= length]
            longer = longer[self.tokens[longer - length] == history[-1 - length]]
            if not len(longer):
                break
            places, length = longer, length + 1
        if not len(places):
            return places, np.zeros(0), 0
        weights = self.weights[places]
        return self.tokens[places + 1], weights / weights.sum(), 1 + length


def copy_probabilities(
    lines: Lines, copies_of: Callable[[int], Copies], chosen: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """For every token of the `chosen` lines: the probability that copying gives it, and the situation."""
    found: list[float] = []
    situations: list[int] = []
    for r in chosen:
        copies = copies_of(r)
        line = lines[r].tolist()
        for i, token in enumerate(line):
            tokens, weights, situation = copies.next(line[max(0, i - MATCH) : i])
            found.append(float(weights[tokens == token].sum()))
            situations.append(situation)
    return np.array(found), np.array(situations, np.int64)


def weights_by_em(
    components: npt.NDArray[np.float64], situations: npt.NDArray[np.int64], rounds: int = 40
) -> npt.NDArray[np.float64]:
    """Mixture weights (situations, 3) that make `components` (N, 3) likeliest, drawn a little to PRIOR.

    Where nothing agrees (situation 0) nothing can be copied: that weight is 0.
    """
    weights = PRIOR.copy()
    weights[0] = (0.0, 0.5, 0.5)
    prior = weights * PRIOR_TOKENS
    for _ in range(rounds):
        share = components * weights[situations] + 1e-300
        share /= share.sum(axis=1, keepdims=True)
        total = np.stack(
            [np.bincount(situations, weights=share[:, c], minlength=SITUATIONS) for c in range(3)], axis=1
        )
        weights = (total + prior) / (total + prior).sum(axis=1, keepdims=True)
    return weights


def bits_per_character(
    probabilities: npt.NDArray[np.float64],
    encoded: Sequence[Sequence[int]],
    lines: Lines,
    chosen: Sequence[int],
    spelling: Spelling,
    texts: Sequence[str],
) -> float:
    """Bits per character of the chosen replies. A reply's end counts as one character.

    probabilities: of every token of the chosen lines; a token never met costs its spelling on top.
    """
    from engine.tokens import encoding

    nats = -float(np.log(probabilities).sum())
    piece = encoding().decode_single_token_bytes
    for r in chosen:
        for token, known in zip(encoded[r], lines[r].tolist(), strict=False):
            if known == UNKNOWN:
                nats += spelling.cost(piece(token))
    return nats / math.log(2) / max(1, sum(len(texts[r]) + 1 for r in chosen))
