"""The person's own tokens, with a byte model for all other text, so that likelihoods are proper.

Ids: 0 ends a reply (and stands before its first token), 1 is any token never met, from 2 on the person's
o200k tokens, the most frequent first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

END = 0
UNKNOWN = 1
FIRST = 2


class Lines(msgspec.Struct, frozen=True):
    """Replies as ids, each closed by END: reply r is tokens[starts[r]:starts[r + 1]]."""

    tokens: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, r: int) -> npt.NDArray[np.int32]:
        return self.tokens[self.starts[r] : self.starts[r + 1]]

    def before(self, distance: int) -> npt.NDArray[np.int32]:
        """For every token the one `distance` places before it, END where that is outside its reply."""
        moved = np.concatenate([np.zeros(distance, np.int32), self.tokens[: len(self.tokens) - distance]])
        place = np.arange(len(self.tokens)) - np.repeat(self.starts[:-1], np.diff(self.starts))
        return np.where(place < distance, END, moved[: len(self.tokens)]).astype(np.int32)


class Vocabulary(msgspec.Struct, frozen=True):
    """token_ids: o200k token of id i + FIRST. counts: (size,) how often the person used each id."""

    token_ids: tuple[int, ...]
    counts: npt.NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.token_ids) + FIRST

    def lines(self, encoded: Sequence[Sequence[int]]) -> Lines:
        """o200k tokens of replies as ids; tokens that the person never used become UNKNOWN."""
        id_of = {token: i for i, token in enumerate(self.token_ids, start=FIRST)}
        flat = [id_of.get(token, UNKNOWN) if token >= 0 else END for line in encoded for token in (*line, -1)]
        return Lines(
            np.array(flat, dtype=np.int32),
            np.concatenate([[0], np.cumsum([len(line) + 1 for line in encoded])]).astype(np.int64),
        )


def encode(texts: Sequence[str]) -> list[list[int]]:
    """o200k tokens of every text. Very long texts are cut into pieces, which the tokenizer needs."""
    from engine.tokens import encoding

    ordinary = encoding().encode_ordinary
    step = 50_000
    return [
        ordinary(text)
        if len(text) <= step
        else [token for i in range(0, len(text), step) for token in ordinary(text[i : i + step])]
        for text in texts
    ]


def build(encoded: Sequence[Sequence[int]]) -> Vocabulary:
    """The vocabulary of these replies."""
    counted = Counter(token for line in encoded for token in line)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    counts = np.array([len(encoded), 0, *(n for _, n in ranked)], dtype=np.int64)
    return Vocabulary(tuple(token for token, _ in ranked), counts)


def pieces(vocabulary: Vocabulary) -> list[bytes]:
    """The bytes of every id; none for END and UNKNOWN."""
    from engine.tokens import encoding

    return [b"", b"", *encoding().decode_tokens_bytes(list(vocabulary.token_ids))]


def extended(vocabulary: Vocabulary, encoded: Sequence[Sequence[int]]) -> Vocabulary:
    """The same ids with these replies counted too; tokens that are new get ids at the end."""
    known = {token: i for i, token in enumerate(vocabulary.token_ids)}
    more = build(encoded)
    fresh = [i for i, token in enumerate(more.token_ids) if token not in known]
    counts = np.concatenate([vocabulary.counts, more.counts[FIRST:][fresh]])
    counts[END] += more.counts[END]
    for token, count in zip(more.token_ids, more.counts[FIRST:].tolist(), strict=True):
        if token in known:
            counts[known[token] + FIRST] += count
    return Vocabulary((*vocabulary.token_ids, *(more.token_ids[i] for i in fresh)), counts)


class Spelling(msgspec.Struct, frozen=True):
    """Byte pairs learned from the person's tokens: how likely a token never met is, byte by byte.

    log_p: (257, 257) natural logarithms; row: the byte before, 256 at the start; column: the byte, 256 at
    the end. Each row is a distribution, so all tokens together have probability 1.
    """

    log_p: npt.NDArray[np.float64]

    def cost(self, token: bytes) -> float:
        """Nats to spell `token`."""
        path = [256, *token, 256]
        return -float(self.log_p[path[:-1], path[1:]].sum())


def spelling(known: Sequence[bytes]) -> Spelling:
    """The byte model of these tokens."""
    paths = [(256, *token, 256) for token in known if token]
    before = np.array([byte for path in paths for byte in path[:-1]], dtype=np.int64)
    after = np.array([byte for path in paths for byte in path[1:]], dtype=np.int64)
    pairs = np.bincount(before * 257 + after, minlength=257 * 257).reshape(257, 257)
    single = (pairs.sum(axis=0) + 0.1) / (pairs.sum() + 25.7)
    # Witten-Bell: a row gives its kinds' share of the mass to the single bytes.
    kinds = (pairs > 0).sum(axis=1, keepdims=True) + 1.0
    return Spelling(np.log((pairs + kinds * single) / (pairs.sum(axis=1, keepdims=True) + kinds)))
