"""The model that `imitation` leaves behind: its file, and how it answers.

An answer is chosen among candidates: replies to similar moments as they were, replies put together from
their bubbles, and replies sampled token by token from the mixture. Each candidate is weighed by how well it
fits the moment, how well it reads, and how much it merely repeats; the temperature says how freely the
choice and the sampling go.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from engine.local.trainers import ChatMessage, Piece, storage
from engine.local.trainers.candidates import Candidate, Speaker, candidates
from engine.local.trainers.kneser_ney import KneserNey, Order
from engine.local.trainers.moments import Moment, moment, origin
from engine.local.trainers.neural import Parameters, Shape
from engine.local.trainers.retrieval import Index
from engine.local.trainers.speech import choose, cut, stream
from engine.local.trainers.vocabulary import Lines, Vocabulary, pieces

FILE = "model.npz"
# A reply names its origin when one training reply gave at least this share of its tokens in one stretch,
# and enough of them: "ok" comes from nowhere in particular.
COPIED, COPIED_TOKENS = 0.6, 4
STOCK = 8


class About(msgspec.Struct, frozen=True, tag="imitation"):
    """What the arrays in the file do not say themselves."""

    classes: int
    prompt_terms: int
    orders: int
    replies: int


def save(
    folder: Path,
    words: Vocabulary,
    lines: Lines,
    counted: KneserNey,
    index: Index,
    moments: Sequence[Moment],
    prompt_words: dict[str, int],
    parameters: Parameters,
    shares: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float64],
) -> None:
    """Write everything an answer needs to folder/model.npz. `moments` are those of `lines`, in order."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "tokens": lines.tokens,
        "starts": lines.starts,
        "unigram": counted.unigram,
        "neural": parameters.flat,
        "shares": shares,
        "weights": weights,
        **storage.pack_texts("pieces", pieces(words)),
        **storage.pack_index(index),
        **storage.pack_texts("prompt.words", [word.encode() for word in prompt_words]),
        **storage.pack_texts("origins", [origin(each).encode() for each in moments]),
    }
    for n, order in enumerate(counted.orders):
        arrays[f"order{n}.contexts"] = order.contexts
        arrays[f"order{n}.keys"] = order.keys
        arrays[f"order{n}.shares"] = order.shares
        arrays[f"order{n}.backoff"] = order.backoff
    about = About(
        len(parameters.of["bias"]),
        len(parameters.of["terms"]),
        len(counted.orders),
        len(moments),
    )
    storage.save(folder / FILE, about, arrays)


def load(folder: Path) -> Voice:
    """See Trainer.load."""
    about, arrays = storage.load(folder / FILE, About)
    orders = tuple(
        Order(*(arrays[f"order{n}.{part}"] for part in ("contexts", "keys", "shares", "backoff")))
        for n in range(about.orders)
    )
    lines = Lines(arrays["tokens"], arrays["starts"])
    prompt_words = storage.unpack_texts("prompt.words", arrays)
    speaker = Speaker(
        pieces=storage.unpack_texts("pieces", arrays),
        lines=lines,
        counted=KneserNey(arrays["unigram"], orders),
        index=storage.unpack_index(arrays),
        prompt_words={word.decode(): i for i, word in enumerate(prompt_words, start=1)},
        parameters=Parameters(Shape(about.classes, about.prompt_terms), arrays["neural"]),
        shares=arrays["shares"],
        weights=arrays["weights"],
        common=_common(lines),
    )
    return Voice(speaker, storage.unpack_texts("origins", arrays))


def _common(lines: Lines) -> dict[tuple[int, ...], int]:
    """The replies that were given most often, at least twice, without END, and how often."""
    whole, ends = lines.tokens.tobytes(), (lines.starts * lines.tokens.itemsize).tolist()
    counted = Counter(whole[start : end - 4] for start, end in itertools.pairwise(ends))
    most = [(reply, n) for reply, n in counted.most_common(STOCK) if n > 1]
    return {tuple(np.frombuffer(reply, np.int32).tolist()): n for reply, n in most}


class Voice:
    """A Model; see there."""

    def __init__(self, speaker: Speaker, origins: list[bytes]) -> None:
        self.speaker = speaker
        self.origins = origins

    def reply(
        self,
        messages: list[ChatMessage],
        *,
        temperature: float,
        top_p: float,
        max_tokens: int,
        stop: list[str],
        seed: int | None,
    ) -> Iterator[Piece]:
        """See Model.reply. At temperature 0 the likeliest reply, whatever the seed."""
        now = moment(messages)
        rng = np.random.default_rng(seed if temperature > 0 else 0)
        said = [message.content.strip() for message in messages if message.role == "assistant"]
        options = candidates(self.speaker, now, said, rng, temperature, top_p)
        texts = [cut(self.speaker.pieces, each.tokens, max_tokens, stop) for each in options]
        usable = [i for i, text in enumerate(texts) if text.strip()]
        if not usable:
            return
        chosen = choose([options[i].score for i in usable], rng, temperature, top_p)
        candidate, text = options[usable[chosen]], texts[usable[chosen]]
        line, length = self._copied(candidate)
        share = length / len(candidate.tokens)
        copied = share >= COPIED and length >= COPIED_TOKENS
        yield from stream(
            [self.speaker.pieces[token] for token in candidate.tokens],
            text,
            self.origins[line].decode() if copied else None,
            round(share, 2) if copied else None,
        )

    def _copied(self, candidate: Candidate) -> tuple[int, int]:
        """The training reply with the longest stretch in common, and that stretch's tokens."""
        lines, tokens = self.speaker.lines, candidate.tokens
        best_place, best = 0, 0
        for start in range(len(tokens)):
            if best >= len(tokens) - start:
                break
            places = np.flatnonzero(lines.tokens == tokens[start])
            length = 1 if len(places) else 0
            while len(places) and start + length < len(tokens):
                further = places[places + length < len(lines.tokens)]
                further = further[lines.tokens[further + length] == tokens[start + length]]
                if not len(further):
                    break
                places, length = further, length + 1
            if length > best:
                best_place, best = int(places[0]), length
        line = int(np.searchsorted(lines.starts, best_place, "right")) - 1
        return line, best
