"""The mlx trainer's own loop: low-rank layers, loss and optimizer are mlx's, what happens when is ours.

Nothing random is carried from step to step: the order of an epoch and the dropout of a step follow from the
seed and their numbers alone. So the weights, the optimizer and a few counts are all that a state must hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from shutil import copyfile, rmtree
from time import monotonic
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import msgspec
import numpy as np
from mlx.optimizers import AdamW, clip_grad_norm
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from msgspec.structs import replace

from engine.folders import private
from engine.local.trainers import Checkpoint, Note, Progress, Settings, Step, Validation
from engine.local.trainers.labels import IGNORED, Tokens
from engine.local.trainers.mlx_adapter import save
from engine.local.trainers.prepared import finite

STATE = "state.safetensors"
PAD_TO = 32  # each new length of a batch is compiled anew
SORTED_BATCHES = 8  # batches of like lengths are cut from this many
MAX_NORM = 1.0
SAVE_SECONDS = 60.0  # what a power cut may cost
WARMUP = 0.05
REPORTS = 2000  # longer trainings report every so many steps, so that a job's events stay readable


class Sums(msgspec.Struct, frozen=True):
    """Summed over learned tokens: nats and right guesses."""

    loss: float = 0.0
    right: float = 0.0
    tokens: float = 0.0

    def plus(self, other: Sums) -> Sums:
        return Sums(self.loss + other.loss, self.right + other.right, self.tokens + other.tokens)

    def means(self) -> tuple[float, float]:
        """Loss in nats per token, and accuracy."""
        return self.loss / max(1.0, self.tokens), self.right / max(1.0, self.tokens)


class State(msgspec.Struct, frozen=True):
    """Where training stands, but for the arrays.

    epochs: validated ones. report: since the last Step was told. epoch: since it began. at_once: kept, as
    sums in another order would be other sums.
    """

    at_once: int
    step: int = 0
    epochs: int = 0
    report: Sums = Sums()
    epoch: Sums = Sums()
    best_step: int = 0
    best_loss: float | None = None


def learn(
    model: nn.Module,
    rows: Sequence[Tokens],
    held: Sequence[Tokens],
    settings: Settings,
    out: Path,
    resume: bool,
    at_once: int,
    write: Callable[[Path], None],
) -> Progress:
    """Train the unfrozen parameters of `model`; see Trainer.train for what is yielded.

    settings: without "auto". at_once: how many examples of a batch memory bears in one pass. write: puts the
    adapter as it is now into a folder; that of the epoch that validated best ends in `out`.
    """
    epochs, size = int(settings.n_epochs), int(settings.batch_size)
    per_epoch = -(-len(rows) // size)
    steps = per_epoch * epochs
    every = max(1, steps // REPORTS)
    peak = float(settings.lora.learning_rate) * float(settings.learning_rate_multiplier)
    optimizer = AdamW(learning_rate=peak, weight_decay=0.0, bias_correction=True)
    optimizer.init(model.trainable_parameters())
    state = (_restore(out / STATE, model, optimizer) if resume else None) or State(at_once)
    step = _stepper(model, optimizer, state.at_once)
    saved = monotonic()
    try:
        for epoch in range(state.epochs, epochs):
            model.train()
            batches = _batches(rows, size, np.random.default_rng([settings.seed, epoch]))
            for batch in batches[state.step - epoch * per_epoch :]:
                optimizer.learning_rate = peak * _share(state.step, steps)
                mx.random.seed((settings.seed % 2**32) << 32 | state.step + 1)
                sums = yield from step(batch)
                finite(sums.loss, state.step + 1)
                state = replace(
                    state,
                    step=state.step + 1,
                    report=state.report.plus(sums),
                    epoch=state.epoch.plus(sums),
                )
                if state.step % every == 0 or state.step == steps:
                    told, state = state.report, replace(state, report=Sums())
                    yield Step(state.step, steps, epoch + 1, *told.means())
                else:
                    yield None
                if monotonic() - saved > SAVE_SECONDS:
                    _save(out / STATE, model, optimizer, state)
                    saved = monotonic()
            found = Sums()
            for more in evaluated(model, held, state.at_once):
                found = found.plus(more)
                yield None
            loss, accuracy = found.means()
            finite(loss, state.step)
            yield Validation(state.step, epoch + 1, loss, accuracy)
            folder = _checkpoint(out, state.step)
            _replace_folder(folder, write)
            yield Checkpoint(state.step, epoch + 1, folder, *state.epoch.means(), loss, accuracy)
            if state.best_loss is None or loss < state.best_loss:
                state = replace(state, best_step=state.step, best_loss=loss)
            state = replace(state, epochs=epoch + 1, epoch=Sums())
            _save(out / STATE, model, optimizer, state)
            saved = monotonic()
    except GeneratorExit:
        _save(out / STATE, model, optimizer, state)
        raise
    best = state.best_step // per_epoch
    yield Note(f"Epoch {best} validated best and is kept (loss {state.best_loss:.3f})")
    _finish(_checkpoint(out, state.best_step), out, write)


def evaluated(model: nn.Module, rows: Sequence[Tokens], size: int) -> Iterator[Sums]:
    """What each batch of at most `size` rows sums up to, nothing dropped out."""
    model.eval()
    for batch in _cut(sorted(rows, key=_length), size):
        _, sums = _loss(model, *_arrays(batch), mx.array(1.0))
        yield _sums(sums)
    mx.clear_cache()


def _loss(model: Any, ids: mx.array, labels: mx.array, tokens: mx.array) -> tuple[mx.array, mx.array]:
    """Nats per token, over `tokens` of them; and [nats, right guesses, learned tokens] summed."""
    logits = model(ids[:, :-1]).astype(mx.float32)
    targets = labels[:, 1:]
    learned = targets != IGNORED
    nats = (nn.losses.cross_entropy(logits, mx.where(learned, targets, 0)) * learned).sum()
    right = (mx.argmax(logits, axis=-1) == targets) & learned
    return nats / tokens, mx.stack([nats, right.sum(), learned.sum()])


def _stepper(
    model: nn.Module, optimizer: AdamW, at_once: int
) -> Callable[[Sequence[Tokens]], Generator[None, None, Sums]]:
    """A step over one batch, in passes of at most `at_once` rows; nothing has changed before the last."""
    gradient = nn.value_and_grad(model, _loss)
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def one_pass(
        ids: mx.array, labels: mx.array, tokens: mx.array, before: Any, last: bool
    ) -> tuple[mx.array, Any]:
        (_, sums), gradients = gradient(model, ids, labels, tokens)
        if before is not None:
            gradients = tree_map(mx.add, gradients, before)
        if last:
            optimizer.update(model, clip_grad_norm(gradients, MAX_NORM)[0])
            gradients = None
        return sums, gradients

    def step(batch: Sequence[Tokens]) -> Generator[None, None, Sums]:
        tokens = mx.array(sum(label != IGNORED for row in batch for label in row.labels[1:]), mx.float32)
        total, gradients = Sums(), None
        parts = _cut(batch, at_once)
        for part in parts:
            sums, gradients = one_pass(*_arrays(part), tokens, gradients, part is parts[-1])
            mx.eval(state, sums, gradients)
            total = total.plus(_sums(sums))
            if gradients is not None:
                yield None
        return total

    return step


def _share(step: int, steps: int) -> float:
    """Of the highest learning rate, for the step after `step` of `steps`: up, then down along a cosine."""
    warm = math.ceil(WARMUP * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def _batches(rows: Sequence[Tokens], size: int, draw: np.random.Generator) -> list[Sequence[Tokens]]:
    """The rows in a random order, but with rows of like lengths together: less of a batch is padding."""
    order = [rows[at] for at in draw.permutation(len(rows))]
    sorted_parts = [sorted(part, key=_length) for part in _cut(order, size * SORTED_BATCHES)]
    batches = [batch for part in sorted_parts for batch in _cut(part, size)]
    return [batches[at] for at in draw.permutation(len(batches))]


def _cut(rows: Sequence[Tokens], size: int) -> list[Sequence[Tokens]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _length(row: Tokens) -> int:
    return len(row.ids)


def _arrays(batch: Sequence[Tokens]) -> tuple[mx.array, mx.array]:
    """ids and labels (rows, length), filled up at the right end."""
    length = 1 + -(-max(_length(row) - 1 for row in batch) // PAD_TO) * PAD_TO
    ids = [row.ids + [0] * (length - _length(row)) for row in batch]
    labels = [row.labels + [IGNORED] * (length - _length(row)) for row in batch]
    return mx.array(ids), mx.array(labels)


def _sums(sums: mx.array) -> Sums:
    loss, right, tokens = sums.tolist()
    return Sums(loss, right, tokens)


def _checkpoint(out: Path, step: int) -> Path:
    return out / "checkpoints" / f"step-{step}"


def _finish(best: Path, out: Path, write: Callable[[Path], None]) -> None:
    """Leave the best checkpoint's adapter in `out`; the state goes last, so that this can be done again."""
    if best.is_dir():
        for file in best.iterdir():
            temporary = out / f".{file.name}"
            copyfile(file, temporary)
            temporary.replace(out / file.name)
    else:  # its person has deleted it meanwhile
        write(out)
    (out / STATE).unlink(missing_ok=True)


def _replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Fill `folder` beside its place and move it there: a folder of that name is always whole."""
    fresh = private(folder.parent) / f".{folder.name}"
    rmtree(fresh, ignore_errors=True)
    write(private(fresh))
    rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _save(path: Path, model: nn.Module, optimizer: AdamW, state: State) -> None:
    arrays = tree_flatten({"model": model.trainable_parameters(), "optimizer": optimizer.state})
    save(path, dict(arrays), {"state": msgspec.json.encode(state).decode()})


def _restore(path: Path, model: nn.Module, optimizer: AdamW) -> State | None:
    """Put the saved arrays into model and optimizer; None where nothing was saved."""
    if not path.exists():
        return None
    arrays, metadata = mx.load(str(path), return_metadata=True)
    saved: Any = tree_unflatten(list(arrays.items()))
    model.update(saved["model"])
    optimizer.state = saved["optimizer"]
    return msgspec.json.decode(metadata["state"], type=State)
