"""Finding similar moments: BM25 over what was said, a little of what stood before and of the reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from engine.local.trainers.moments import Moment, terms, weighted_terms

K1 = 1.2
B = 0.4
ECHO = 0.8
MOMENTS = 12  # how many similar moments are looked at
# A reply's own words tell its topic too ("are you coming to the boat?" finds "the boat leaks again").
REPLY_WEIGHT = 0.6


class Index(msgspec.Struct, frozen=True):
    """Postings by term, sorted: those of term t are moments[starts[t]:starts[t + 1]], with their impacts."""

    words: dict[str, int]
    starts: npt.NDArray[np.int64]
    moments: npt.NDArray[np.int32]
    impacts: npt.NDArray[np.float32]
    size: int

    def idf(self, term: str) -> float:
        """Inverse document frequency; the largest of all for a term never met."""
        t = self.words.get(term)
        n = 0 if t is None else int(self.starts[t + 1] - self.starts[t])
        return float(np.log(1.0 + (self.size - n + 0.5) / (n + 0.5)))

    def scores(self, query: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """BM25 of every moment (size,) for weighted terms."""
        spans = [
            (int(self.starts[t]), int(self.starts[t + 1]), weight)
            for term, weight in query.items()
            if (t := self.words.get(term)) is not None
        ]
        if not spans:
            return np.zeros(self.size)
        found = np.concatenate([self.moments[low:high] for low, high, _ in spans])
        impact = np.concatenate([self.impacts[low:high] * weight for low, high, weight in spans])
        return np.bincount(found, weights=impact, minlength=self.size).astype(np.float64)

    def best_possible(self, query: Mapping[str, float]) -> float:
        """The score of a moment that says all of `query`; what `scores` is divided by for a similarity."""
        return sum(weight * self.idf(term) for term, weight in query.items()) * (K1 + 1) * 0.6 + 1e-9


def build(moments: Sequence[Moment]) -> Index:
    """The index over `moments`, in their order."""
    words: dict[str, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    weights: list[float] = []
    for row, moment in enumerate(moments):
        found = weighted_terms(moment)
        for term in terms(moment.reply):
            found[term] = min(2.0, found.get(term, 0.0) + REPLY_WEIGHT)
        columns += [words.setdefault(term, len(words)) for term in found]
        weights += found.values()
        rows += [row] * len(found)
    row_of = np.array(rows, dtype=np.int32)
    column_of = np.array(columns, dtype=np.int32)
    tf = np.array(weights, dtype=np.float32)
    del rows, columns, weights
    size = len(moments)
    length = np.bincount(row_of, weights=tf, minlength=size)
    norm = K1 * (1 - B + B * length / max(float(length.mean()), 1e-9)) if size else length
    df = np.bincount(column_of, minlength=len(words))
    idf = np.log(1.0 + (size - df + 0.5) / (df + 0.5))
    order = np.argsort(column_of, kind="stable")
    row_of, tf = row_of[order], tf[order]
    impacts = idf[column_of[order]] * tf * (K1 + 1) / (tf + norm[row_of])
    starts = np.concatenate([[0], np.cumsum(df)]).astype(np.int64)
    return Index(words, starts, row_of, impacts.astype(np.float32), size)


class Found(msgspec.Struct, frozen=True):
    """Similar moments, best first: numbers, similarities (0 to 1) and weights (sum 1)."""

    moments: list[int]
    similarities: list[float]
    weights: list[float]


def similar(
    index: Index, query: Mapping[str, float], limit: int = MOMENTS, hidden: slice | None = None
) -> Found:
    """The moments most like `query`, without those in `hidden`. A score of half the best weighs e^-2."""
    if not index.size:
        return Found([], [], [])
    scores = index.scores(query)
    if hidden is not None:
        scores[hidden] = -1.0
    limit = min(limit, index.size)
    best = np.argpartition(-scores, limit - 1)[:limit]
    best = best[np.lexsort((best, -scores[best]))]
    best = best[scores[best] >= 0]
    top = scores[best]
    if not len(best):
        return Found([], [], [])
    weights = np.exp(4.0 * (top / max(float(top[0]), 1e-9) - 1.0))
    similarity = np.minimum(1.0, top / index.best_possible(query))
    return Found(best.tolist(), similarity.tolist(), (weights / weights.sum()).tolist())


def fitting(
    index: Index, now: Moment, weights: Sequence[float], replies: Sequence[str]
) -> Callable[[str], float]:
    """How well a text fits the moment `now`, 0 to about 1.5: its words are those of the replies to similar
    moments (of these weights), and some of those just said."""
    profile: dict[str, float] = {}
    for reply, weight in zip(replies, weights, strict=True):
        words, norm = _words(index, reply)
        for word, idf in words.items():
            profile[word] = profile.get(word, 0.0) + weight * idf / norm
    asked, _ = _words(index, now.said)
    asked_total = sum(asked.values()) + 1e-9

    def fit(text: str) -> float:
        words, norm = _words(index, text)
        echo = sum(idf for word, idf in words.items() if word in asked) / asked_total
        return sum(profile.get(word, 0.0) * idf for word, idf in words.items()) / norm + ECHO * min(0.6, echo)

    return fit


def _words(index: Index, text: str) -> tuple[dict[str, float], float]:
    """The words of `text` with their inverse document frequencies, and those's Euclidean length."""
    words = {word: index.idf(word) for word in terms(text)}
    return words, sum(idf * idf for idf in words.values()) ** 0.5 + 1e-9
