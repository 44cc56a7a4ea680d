"""How `nearest` learns (it indexes), what it is worth (picking among ten), and how it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from engine.local.trainers import (
    ChatMessage,
    Checkpoint,
    Example,
    Note,
    Piece,
    Settings,
    Step,
    Validation,
    retrieval,
    storage,
    vocabulary,
)
from engine.local.trainers.moments import Moment, moment, origin, weighted_terms
from engine.local.trainers.retrieval import Index
from engine.local.trainers.speech import choose, cut, stream
from engine.local.trainers.split import split

FILE = "model.npz"
CHOICES = 10
PICKS = 300  # moments tried for each figure
REPORTS = 20
SCALES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
TOP = 5
SPREAD = 0.25  # the similarity's share that counts as one unit of temperature


class About(msgspec.Struct, frozen=True, tag="nearest"):
    replies: int


def train(
    examples: list[Example], validation: list[Example], settings: Settings, out: Path
) -> Iterator[Step | Validation | Checkpoint | Note]:
    """Index the moments; try the index on moments of training, each with its own example hidden, and on
    those held out."""
    parts = split(examples, validation)
    flat = [moment for moments in parts.train for moment in moments]
    ends = np.cumsum([len(moments) for moments in parts.train])
    example_of = np.repeat(np.arange(len(ends)), np.diff(np.concatenate([[0], ends])))
    index = retrieval.build(flat)
    yield Note(f"Indexed the replies to {len(flat):,} moments")

    rng = np.random.default_rng(settings.seed)
    tried = np.sort(rng.permutation(len(flat))[:PICKS])
    scores = np.zeros((0, CHOICES))
    reports = min(REPORTS, len(tried))
    loss = accuracy = 0.0
    for step, some in enumerate(np.array_split(tried, reports), start=1):
        fits = []
        for m in some.tolist():
            e = int(example_of[m])
            hidden = slice(int(ends[e]) - len(parts.train[e]), int(ends[e]))
            fits.append(_fits(index, flat, flat[m], flat, rng, hidden))
        scores = np.concatenate([scores, np.array(fits)])
        # One number, how much a score counts, is learned.
        scale = min(SCALES, key=lambda each: _figures(scores, each)[0])
        loss, accuracy = _figures(scores, scale)
        yield Step(step, reports, 1, loss, accuracy)
    chosen = sorted({int(i) for i in np.linspace(0, len(parts.held) - 1, min(len(parts.held), PICKS))})
    others = parts.held if len(parts.held) >= 2 * CHOICES else [*parts.held, *flat]
    fits = [_fits(index, flat, parts.held[i], others, rng, None) for i in chosen]
    valid_loss, valid_accuracy = _figures(np.array(fits), scale)
    yield Validation(reports, 1, valid_loss, valid_accuracy)
    folder = out / "checkpoints" / "epoch-1"
    save(folder, index, flat)
    yield Checkpoint(reports, 1, folder, loss, accuracy, valid_loss, valid_accuracy)
    yield Note(f"Names the real reply among ten in {valid_accuracy:.0%} of the moments tried (chance 10%)")
    flat = [*flat, *parts.more]
    save(out, retrieval.build(flat) if parts.more else index, flat)


def _fits(
    index: Index,
    learned: Sequence[Moment],
    now: Moment,
    others: Sequence[Moment],
    rng: np.random.Generator,
    hidden: slice | None,
) -> list[float]:
    """How well ten replies fit `now`: the real one first, then replies to nine of the other moments."""
    found = retrieval.similar(index, weighted_terms(now), hidden=hidden)
    fit = retrieval.fitting(index, now, found.weights, [learned[m].reply for m in found.moments])
    wrong = [others[i].reply for i in rng.integers(0, len(others), 4 * CHOICES).tolist()]
    wrong = [reply for reply in wrong if reply != now.reply][: CHOICES - 1]
    wrong += [""] * (CHOICES - 1 - len(wrong))
    return [fit(reply) for reply in (now.reply, *wrong)]


def _figures(scores: npt.NDArray[np.float64], scale: float) -> tuple[float, float]:
    """Loss in nats and accuracy over rows of ten, the right one first; ties count as their share."""
    logits = scores * scale
    total = np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)) + logits.max(axis=1)
    best = scores == scores.max(axis=1, keepdims=True)
    return float((total - logits[:, 0]).mean()), float((best[:, 0] / best.sum(axis=1)).mean())


def save(folder: Path, index: Index, moments: Sequence[Moment]) -> None:
    """Write folder/model.npz."""
    encoded = vocabulary.encode([moment.reply for moment in moments])
    words = vocabulary.build(encoded)
    lines = words.lines(encoded)
    arrays: dict[str, storage.Array] = {
        "tokens": lines.tokens,
        "starts": lines.starts,
        **storage.pack_index(index),
        **storage.pack_texts("pieces", vocabulary.pieces(words)),
        **storage.pack_texts("origins", [origin(each).encode() for each in moments]),
    }
    storage.save(folder / FILE, About(len(moments)), arrays)


def load(folder: Path) -> Recall:
    """See Trainer.load."""
    _, arrays = storage.load(folder / FILE, About)
    return Recall(
        storage.unpack_index(arrays),
        vocabulary.Lines(arrays["tokens"], arrays["starts"]),
        storage.unpack_texts("pieces", arrays),
        storage.unpack_texts("origins", arrays),
    )


class Recall:
    """A Model; see there."""

    def __init__(
        self, index: Index, lines: vocabulary.Lines, pieces: list[bytes], origins: list[bytes]
    ) -> None:
        self.index = index
        self.lines = lines
        self.pieces = pieces
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
        """See Model.reply. At temperature 0 the most similar moment's reply, above it one of the best five.

        What the person said in this chat already is not said again while there is something else.
        """
        found = retrieval.similar(self.index, weighted_terms(moment(messages)))
        said = {message.content.strip() for message in messages if message.role == "assistant"}
        options = []
        for m, similarity in zip(found.moments, found.similarities, strict=True):
            tokens = self.lines[m].tolist()[:-1]
            text = cut(self.pieces, tokens, max_tokens, stop)
            if text:
                options.append((m, similarity, tokens, text))
        options = [each for each in options if each[3] not in said] or options
        if not options:
            return
        options = options[:TOP]
        best = max(options[0][1], 1e-9)
        scores = [similarity / best / SPREAD for _, similarity, _, _ in options]
        chosen = choose(scores, np.random.default_rng(seed), temperature, top_p)
        m, similarity, tokens, text = options[chosen]
        parts = [self.pieces[token] for token in tokens]
        yield from stream(parts, text, self.origins[m].decode(), round(similarity, 2))
