"""Interpolated modified Kneser-Ney over tokens (Chen and Goodman 1998), order 4, in flat arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from engine.local.trainers.vocabulary import END, UNKNOWN, Lines, Vocabulary

ORDER = 4


class Order(msgspec.Struct, frozen=True):
    """All n-grams of one length n, sorted by context, then word.

    contexts: for n > 2 the sorted keys (oldest word * contexts of n - 1 + context of n - 1) whose place is
    the context's number; for n = 2 the word itself is the number and this is empty.
    keys: context * vocabulary size + word. shares: discounted count by total. backoff: by context.
    """

    contexts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    backoff: npt.NDArray[np.float32]


class KneserNey(msgspec.Struct, frozen=True):
    """unigram: (size,) probabilities, UNKNOWN's included. orders: n = 2, 3, 4."""

    unigram: npt.NDArray[np.float32]
    orders: tuple[Order, ...]

    def distribution(self, history: Sequence[int]) -> npt.NDArray[np.float32]:
        """The next token's probabilities (size,) after `history`, newest last, END before the first."""
        p = self.unigram.copy()
        for order, context, words in self._met(history):
            p *= order.backoff[context]
            p[words[0]] += words[1]
        return p

    def followers(self, history: Sequence[int], length: int) -> npt.NDArray[np.int64]:
        """The tokens that followed the last `length` (1 to 3) tokens of `history` in training."""
        met = list(self._met(history))
        return met[length - 1][2][0] if len(met) >= length else np.zeros(0, np.int64)

    def _met(
        self, history: Sequence[int]
    ) -> Iterator[tuple[Order, int, tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]]:
        """For each length of context that was met: order, number, and the words after it with shares."""
        size = len(self.unigram)
        context = -1
        for n, order in enumerate(self.orders, start=2):
            word = history[1 - n] if n - 1 <= len(history) else END
            if n == 2:
                context = word
            else:
                key = word * len(self.orders[n - 3].backoff) + context
                context = int(np.searchsorted(order.contexts, key))
                if context == len(order.contexts) or order.contexts[context] != key:
                    return
            low, high = np.searchsorted(order.keys, (context * size, (context + 1) * size))
            if low == high:
                return
            yield order, context, (order.keys[low:high] - context * size, order.shares[low:high])

    def of(self, lines: Lines) -> npt.NDArray[np.float64]:
        """The probability of every token of `lines`, given those before it in its reply."""
        size = len(self.unigram)
        words = lines.tokens.astype(np.int64)
        p = self.unigram[words].astype(np.float64)
        context = np.zeros(len(words), np.int64)
        known = np.ones(len(words), bool)
        for n, order in enumerate(self.orders, start=2):
            word = lines.before(n - 1).astype(np.int64)
            if n == 2:
                context = word
            else:
                context, same = _find(order.contexts, word * len(self.orders[n - 3].backoff) + context)
                known &= same
            place, met = _find(order.keys, context * size + words)
            share = np.where(met, order.shares[place], 0.0)
            p = np.where(known, order.backoff[context] * p + share, p)
        return p


def build(lines: Lines, vocabulary: Vocabulary) -> KneserNey:
    """The model of these replies. A context never met leaves the shorter context's estimate as it is."""
    size = vocabulary.size
    words = lines.tokens.astype(np.int64)
    numbers = [lines.before(1).astype(np.int64)]  # the context's number for n = 2, 3, 4
    contexts = [np.zeros(0, np.int64)]
    sizes = [size]
    for n in range(3, ORDER + 1):
        keys = lines.before(n - 1).astype(np.int64) * sizes[-1] + numbers[-1]
        unique, inverse = np.unique(keys, return_inverse=True)
        contexts.append(unique)
        numbers.append(inverse)
        sizes.append(len(unique))

    keys, counts = np.unique(numbers[-1] * size + words, return_counts=True)
    orders = []
    for n in range(ORDER, 1, -1):
        orders.append(_order(contexts[n - 2], keys, counts, sizes[n - 2], size))
        # Shorter n-grams count in how many different contexts they occur, not how often.
        word = keys % size
        if n > 2:
            shorter = contexts[n - 2][keys // size] % sizes[n - 3]
            keys, counts = np.unique(shorter * size + word, return_counts=True)
    kinds = np.bincount(word, minlength=size).astype(np.float64)
    discount = 0.75
    uniform = discount * (kinds > 0).sum() / (size - 1) / kinds.sum()
    unigram = np.maximum(kinds - discount, 0) / kinds.sum() + uniform
    # Good and Turing: as much of new text is new as of the old occurred once.
    total = vocabulary.counts.sum()
    new = float(np.clip((vocabulary.counts == 1).sum() / total, 1e-3, 0.3))
    unigram[UNKNOWN] = 0.0
    unigram *= (1 - new) / unigram.sum()
    unigram[UNKNOWN] = new
    return KneserNey(unigram.astype(np.float32), tuple(reversed(orders)))


def _order(
    contexts: npt.NDArray[np.int64],
    keys: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    n_contexts: int,
    size: int,
) -> Order:
    once, twice, thrice, four = (float((counts == c).sum()) for c in (1, 2, 3, 4))
    y = once / (once + 2 * twice) if once and twice else 0.6
    discounts = np.array(
        [
            0.0,
            np.clip(1 - 2 * y * twice / once if once else 0.6, 0.1, 0.95),
            np.clip(2 - 3 * y * thrice / twice if twice else 1.0, 0.1, 1.5),
            np.clip(3 - 4 * y * four / thrice if thrice else 1.2, 0.1, 2.0),
        ]
    )
    taken = discounts[np.minimum(counts, 3)]
    context = keys // size
    total = np.maximum(np.bincount(context, weights=counts, minlength=n_contexts), 1e-9)
    backoff = np.bincount(context, weights=taken, minlength=n_contexts) / total
    backoff[np.bincount(context, minlength=n_contexts) == 0] = 1.0
    return Order(
        contexts,
        keys,
        ((counts - taken) / total[context]).astype(np.float32),
        backoff.astype(np.float32),
    )


def _find(
    table: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Each key's place in a sorted table (any valid place where it is not there), and whether it is there."""
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return place, table[place] == keys
