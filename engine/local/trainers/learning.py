"""How `imitation` learns: fit the counts, train the neural part epoch by epoch, weigh the three parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from engine.local.trainers import (
    Checkpoint,
    Example,
    Note,
    Settings,
    Step,
    Validation,
    kneser_ney,
    mixture,
    neural,
    retrieval,
    storage,
    vocabulary,
    voice,
)
from engine.local.trainers.moments import Moment, weighted_terms
from engine.local.trainers.split import split

RATE = 4e-3  # for steps of 256 tokens; smaller steps are noisier and go slower
WARMUP = 0.1
PATIENCE = 3
REPORTS = 300
SAVE_EVERY = 100
TOKENS_AT_ONCE = 1024  # a longer batch goes in parts, so that memory stays bounded
WEIGHED_LINES = 300
STATE = "state.npz"


class State(msgspec.Struct):
    """Where training stands; with the arrays beside it in the file all that is needed to go on."""

    key: str
    step: int = 0
    best_epoch: int = 0
    best_loss: float | None = None
    best_accuracy: float = 0.0
    done: bool = False
    # Summed since the last report, and since the epoch began: loss, right guesses, tokens.
    report: tuple[float, int, int] = (0.0, 0, 0)
    epoch: tuple[float, int, int] = (0.0, 0, 0)


def train(
    examples: list[Example], validation: list[Example], settings: Settings, out: Path, resume: bool
) -> Iterator[Step | Validation | Checkpoint | Note]:
    """See Trainer.train; `settings` is a plan without "auto"."""
    epochs, batch = int(settings.n_epochs), int(settings.batch_size)
    parts = split(examples, validation)
    flat = [moment for moments in parts.train for moment in moments]
    encoded = vocabulary.encode([moment.reply for moment in flat])
    words = vocabulary.build(encoded)
    lines = words.lines(encoded)
    yield Note(
        f"Learning {len(flat):,} replies of {len(lines.tokens):,} tokens "
        f"({words.size - vocabulary.FIRST:,} different ones)"
    )
    counted = kneser_ney.build(lines, words)
    index = retrieval.build(flat)

    held_encoded = vocabulary.encode([moment.reply for moment in parts.held])
    held_lines = words.lines(held_encoded)
    prompts = [weighted_terms(moment) for moment in flat]
    held_prompts = [weighted_terms(moment) for moment in parts.held]
    prompt_words = neural.prompt_words(prompts)
    classes, shares = neural.class_shares(words)
    data = neural.data_of(lines, neural.prompts_of(prompts, prompt_words), classes)
    held = neural.data_of(held_lines, neural.prompts_of(held_prompts, prompt_words), classes)
    del prompts

    weigh = _Weighing(parts.held, held_encoded, held_lines, held_prompts, index, lines, counted, words)
    shape = neural.Shape(classes, len(prompt_words) + 1)
    parameters, gradient = neural.Parameters(shape), neural.Parameters(shape)
    best = neural.Parameters(shape)
    adam = neural.Adam(len(parameters.flat))
    # The first token of each example's replies, and the end of the last.
    bounds = lines.starts[np.concatenate([[0], np.cumsum([len(moments) for moments in parts.train])])]
    per_epoch = -(-len(parts.train) // batch)
    steps = per_epoch * epochs
    every = -(-steps // REPORTS)
    per_step = len(lines.tokens) / per_epoch
    slower = min(1.0, max(0.4, (per_step / 256) ** 0.5))
    rate = RATE * slower * float(settings.learning_rate_multiplier)

    key = hashlib.sha256(msgspec.json.encode((examples, validation, settings))).hexdigest()
    state = _restore(out / STATE, key, parameters, best, adam) if resume else None
    if state is None:
        state = State(key)
        parameters.start(
            np.bincount(data.target, minlength=classes), np.random.default_rng([settings.seed, 0])
        )
        best.flat[:] = parameters.flat
        if not validation:
            yield Note(
                f"No validation file: the last {len(parts.held):,} replies are held out for validation"
            )

    while not state.done and state.step < steps:
        epoch, within = divmod(state.step, per_epoch)
        order = np.random.default_rng([settings.seed, 1, epoch]).permutation(len(parts.train))
        for start in range(within * batch, len(order), batch):
            state.step += 1
            chosen = np.sort(order[start : start + batch])
            tokens = np.concatenate([np.arange(bounds[e], bounds[e + 1]) for e in chosen])
            gradient.flat[:] = 0
            loss, right = 0.0, 0
            for part in range(0, len(tokens), TOKENS_AT_ONCE):
                rng = np.random.default_rng([settings.seed, 2, state.step, part])
                some = tokens[part : part + TOKENS_AT_ONCE]
                more = neural.loss_and_gradient(parameters, gradient, data, some, 1 / len(tokens), rng)
                loss, right = loss + more[0], right + more[1]
            adam.update(parameters.flat, gradient.flat, rate * _schedule(state.step, steps), state.step)
            state.report = _add(state.report, loss, right, len(tokens))
            state.epoch = _add(state.epoch, loss, right, len(tokens))
            if state.step % every == 0 or state.step == steps:
                yield Step(state.step, steps, epoch + 1, *_mean(state.report))
                state.report = (0.0, 0, 0)
            if state.step % SAVE_EVERY == 0 and state.step % per_epoch:
                _save_state(out / STATE, state, parameters, best, adam)

        class_p, guessed = neural.probabilities(parameters, held)
        loss, accuracy = float(-np.log(class_p).mean()), float(guessed.mean())
        yield Validation(state.step, epoch + 1, loss, accuracy)
        if state.best_loss is None or loss < state.best_loss:
            state.best_loss, state.best_accuracy, state.best_epoch = loss, accuracy, epoch + 1
            best.flat[:] = parameters.flat
        folder = out / "checkpoints" / f"epoch-{epoch + 1}"
        weights = weigh.weights(class_p * shares[held_lines.tokens])
        voice.save(folder, words, lines, counted, index, flat, prompt_words, parameters, shares, weights)
        train_loss, train_accuracy = _mean(state.epoch)
        yield Checkpoint(state.step, epoch + 1, folder, train_loss, train_accuracy, loss, accuracy)
        state.epoch = (0.0, 0, 0)
        state.done = epoch + 1 - state.best_epoch >= PATIENCE
        _save_state(out / STATE, state, parameters, best, adam)

    if state.done:
        yield Note(
            f"Stopped after epoch {state.step // per_epoch} of {epochs}: "
            f"validation has not improved for {PATIENCE} epochs"
        )
    if state.best_epoch * per_epoch != state.step:
        yield Note(f"Epoch {state.best_epoch} validated best and is kept (loss {state.best_loss:.3f})")
    token_p = neural.probabilities(best, held)[0] * shares[held_lines.tokens]
    weights = weigh.weights(token_p)
    mixed, counts_only, neural_only = weigh.bits(token_p, weights)
    yield Note(
        f"Validation replies take {mixed:.2f} bits per character "
        f"(n-grams alone {counts_only:.2f}, neural alone {neural_only:.2f})"
    )
    if parts.more:
        # What was held out is the newest: the counts and the copying shall know it too.
        more_encoded = vocabulary.encode([moment.reply for moment in parts.more])
        words = vocabulary.extended(words, more_encoded)
        shares = neural.shares_of(words, classes)
        lines = words.lines([*encoded, *more_encoded])
        counted = kneser_ney.build(lines, words)
        flat = [*flat, *parts.more]
        index = retrieval.build(flat)
    voice.save(out, words, lines, counted, index, flat, prompt_words, best, shares, weights)
    (out / STATE).unlink(missing_ok=True)


class _Weighing:
    """The held-out replies and what the two unchanging parts, copying and counts, give for them."""

    def __init__(
        self,
        held: Sequence[Moment],
        encoded: list[list[int]],
        held_lines: vocabulary.Lines,
        prompts: list[dict[str, float]],
        index: retrieval.Index,
        lines: vocabulary.Lines,
        counted: kneser_ney.KneserNey,
        words: vocabulary.Vocabulary,
    ) -> None:
        n = len(held)
        self.chosen = sorted({int(i) for i in np.linspace(0, n - 1, min(n, WEIGHED_LINES))})
        self.encoded, self.lines = encoded, held_lines
        self.texts = [moment.reply for moment in held]
        self.spelling = vocabulary.spelling(vocabulary.pieces(words))

        def copies(r: int) -> mixture.Copies:
            found = retrieval.similar(index, prompts[r])
            return mixture.Copies(lines, found.moments, found.weights)

        starts = held_lines.starts
        self.tokens = np.concatenate([np.arange(starts[r], starts[r + 1]) for r in self.chosen])
        copied, self.situations = mixture.copy_probabilities(held_lines, copies, self.chosen)
        self.fixed = np.stack([copied, counted.of(held_lines)[self.tokens]], axis=1)

    def weights(self, neural_p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Mixture weights by EM; neural_p: of every held-out token."""
        return mixture.weights_by_em(self._components(neural_p), self.situations)

    def bits(
        self, neural_p: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
    ) -> tuple[float, float, float]:
        """Bits per character of the mixture, of the n-grams alone and of the neural model alone."""
        parts = self._components(neural_p)
        mixed, counts_only, neural_only = (
            mixture.bits_per_character(p, self.encoded, self.lines, self.chosen, self.spelling, self.texts)
            for p in ((parts * weights[self.situations]).sum(axis=1), parts[:, 1], parts[:, 2])
        )
        return mixed, counts_only, neural_only

    def _components(self, neural_p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.concatenate([self.fixed, neural_p[self.tokens, None]], axis=1)


def _schedule(step: int, steps: int) -> float:
    """Warm up, then fall along a cosine to a twentieth."""
    warm = min(1.0, step / (WARMUP * steps + 1))
    return float(warm * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * step / steps))))


def _add(sums: tuple[float, int, int], loss: float, right: int, tokens: int) -> tuple[float, int, int]:
    return sums[0] + loss, sums[1] + right, sums[2] + tokens


def _mean(sums: tuple[float, int, int]) -> tuple[float, float]:
    return sums[0] / max(1, sums[2]), sums[1] / max(1, sums[2])


def _save_state(
    path: Path, state: State, parameters: neural.Parameters, best: neural.Parameters, adam: neural.Adam
) -> None:
    arrays = {"now": parameters.flat, "best": best.flat, "mean": adam.mean, "square": adam.square}
    storage.save(path, state, arrays)


def _restore(
    path: Path, key: str, parameters: neural.Parameters, best: neural.Parameters, adam: neural.Adam
) -> State | None:
    """The state saved for the same examples and settings; None where there is none."""
    if not path.exists():
        return None
    state, arrays = storage.load(path, State)
    if state.key != key:
        return None
    parameters.flat[:] = arrays["now"]
    best.flat[:] = arrays["best"]
    adam.mean[:] = arrays["mean"]
    adam.square[:] = arrays["square"]
    return state
