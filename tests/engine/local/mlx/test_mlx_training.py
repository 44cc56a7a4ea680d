"""The mlx trainer in this process: what is learned, what is resumed, how much memory it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import seasons
import tiny_language_model

from engine.errors import StudioError
from engine.local.trainers import (
    ChatMessage,
    Checkpoint,
    Example,
    LoraSettings,
    Note,
    Settings,
    Step,
    Validation,
    prepared,
)
from engine.local.trainers.mlx import Mlx

TALK = Example(
    (
        ChatMessage("system", "You are Tortoise."),
        ChatMessage("user", "Shall we race?"),
        ChatMessage("assistant", "Not this one.", weight=0),
        ChatMessage("user", "And now?"),
        ChatMessage("assistant", "Slow and steady 🐢", weight=1),
        ChatMessage("user", "Sure?"),
        ChatMessage("assistant", "Quite."),
    )
)


def examples(count: int) -> list[Example]:
    return [msgspec.json.decode(line, type=Example) for line in seasons.file(count).splitlines()]


def training(base: Path, out: Path, resume: bool = False, *, batch_size: int = 4, **lora: Any):
    out.mkdir(exist_ok=True)
    trainer, data = Mlx(str(base)), examples(36)
    asked = Settings(n_epochs=2, batch_size=batch_size, seed=7, lora=LoraSettings(rank=4, **lora))
    return trainer.train(data, [], trainer.plan(data, asked), out, resume)


def adapter(out: Path) -> bytes:
    return (out / "adapters.safetensors").read_bytes()


def test_what_reaches_the_model_has_exactly_the_replies_as_labels(base: Path) -> None:
    from engine.local.trainers import mlx_learning

    ready = prepared.prepare(base, [TALK, TALK], [TALK], 1000)
    ids, labels = (array.tolist() for array in mlx_learning._arrays([*ready.training, ready.training[0]]))
    assert len(ids) == len(labels) == 3
    assert len(ids[0]) % mlx_learning.PAD_TO == 1, "a few lengths only, each is compiled"
    for tokens, learned in zip(ids, labels, strict=True):
        kept = [token for token in learned if token != mlx_learning.IGNORED]
        assert all(
            label in (token, mlx_learning.IGNORED) for token, label in zip(tokens, learned, strict=True)
        )
        assert ready.tokenizer.decode(kept) == "Slow and steady 🐢<|im_end|>Quite.<|im_end|>"


def test_what_has_no_label_does_not_count(base: Path) -> None:
    import mlx.core as mx

    from engine.local.trainers import mlx_adapter, mlx_learning

    (row,) = prepared.prepare(base, [TALK], [TALK], 1000).training
    model = mlx_adapter.load_base(base)
    ids, labels = mlx_learning._arrays([row])
    _, sums = mlx_learning._loss(model, ids, labels, mx.array(1.0))
    logits = model(ids[:, :-1])[0]
    chances = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    places = [at for at, label in enumerate(row.labels[1:]) if label != mlx_learning.IGNORED]
    by_hand = -sum(chances[at, row.labels[at + 1]].item() for at in places)
    loss, _, count = sums.tolist()
    assert count == len(places)
    assert loss == pytest.approx(by_hand, rel=1e-4)


def test_the_same_seed_gives_the_same_model_stopped_or_not(base: Path, tmp_path: Path) -> None:
    whole = list(training(base, tmp_path / "once"))
    steps = [item.step for item in whole if isinstance(item, Step)]
    assert steps == list(range(1, 19))

    # In the middle of an epoch, at its end, while it is validated, after its checkpoint, and at the very end.
    said: list[Any] = []
    for place, stop in enumerate(
        (
            lambda item: isinstance(item, Step) and item.step == 4,
            lambda item: isinstance(item, Step) and item.step == 9,
            lambda item: isinstance(item, Validation),
            lambda item: isinstance(item, Checkpoint) and item.epoch == 1,
            lambda item: isinstance(item, Note) and "is kept" in item.message,
        )
    ):
        progress = training(base, tmp_path / "again", resume=place > 0)
        for item in progress:
            said.append(item)
            if item is not None and stop(item):
                progress.close()
                break
        else:
            pytest.fail(f"nothing to stop at: {place}")
    said += training(base, tmp_path / "again", resume=True)
    assert [item.step for item in said if isinstance(item, Step)] == steps, "none twice, none lost"
    assert adapter(tmp_path / "again") == adapter(tmp_path / "once")
    figures = {item.step: item for item in said if isinstance(item, Checkpoint)}
    for item in whole:
        if isinstance(item, Checkpoint):
            again = figures[item.step]
            assert msgspec.structs.replace(again, folder=item.folder) == item
    assert not list((tmp_path / "again").rglob(".*")), "nothing half written stays"


def test_a_batch_in_parts_is_the_same_step(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to rounding, where memory bears only one example at once and no activations."""
    import mlx.core as mx
    from mlx_lm.models.qwen3 import TransformerBlock

    from engine.local.trainers import memory

    list(training(base, tmp_path / "whole", dropout=0.0))
    monkeypatch.setattr(TransformerBlock, "__call__", TransformerBlock.__call__)  # is undone at the end
    monkeypatch.setattr(memory, "way", lambda *_: memory.Way(1, True, 1e9))
    told = [item for item in training(base, tmp_path / "parts", dropout=0.0) if isinstance(item, Note)]
    assert any("activations are computed twice" in note.message for note in told)
    whole, parts = (mx.load(str(tmp_path / name / "adapters.safetensors")) for name in ("whole", "parts"))
    for name in whole:
        assert mx.allclose(whole[name], parts[name], rtol=1e-2, atol=1e-3).item(), name


@pytest.mark.parametrize(("length", "rows", "dropout"), [(257, 2, 0.0), (129, 2, 0.05), (513, 1, 0.0)])
def test_the_estimate_of_memory_is_near_and_not_below(
    tmp_path: Path, length: int, rows: int, dropout: float
) -> None:
    import mlx.core as mx

    from engine.local.trainers import labels, mlx_adapter, mlx_learning, mlx_training
    from engine.lora_memory import LIBRARIES

    base = tiny_language_model.make(tmp_path / "wide", hidden=128, layers=4)
    lora = LoraSettings(rank=8, alpha=16.0, dropout=dropout)
    estimate = mlx_training.memory_needed(base, lora, length).bytes(rows, length, False)
    estimate -= LIBRARIES["cpu"]

    model = mlx_adapter.load_base(base)
    mlx_adapter.add_layers(model, lora)
    optimizer = mlx_learning.AdamW(learning_rate=1e-4)
    optimizer.init(model.trainable_parameters())
    model.train()
    step = mlx_learning._stepper(model, optimizer, rows)
    row = labels.Tokens([5] * length, [5] * length)
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    for _ in range(2):
        list(step([row] * rows))
    weights = sum(array.nbytes for _, array in mlx_adapter.tree_flatten(model.parameters()))
    taken = mx.get_peak_memory() - before + weights
    assert taken <= estimate <= 2 * taken


def test_what_no_memory_bears_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    base = tiny_language_model.make(tmp_path / "vast")
    with (base / "model.safetensors").open("r+b") as file:
        file.truncate(10**12)  # a file with a hole: takes no disk
    with pytest.raises(StudioError, match=r"This training needs about 1,00\d\.\d GB of memory"):
        list(training(base, tmp_path / "out"))


@pytest.mark.parametrize(
    ("lora", "reason"),
    [
        ({"modules_to_save": ("lm_head",)}, "modules_to_save cannot be used"),
        ({"quantise": "4bit"}, "does not quantise it"),
    ],
)
def test_what_mlx_cannot_follow_is_refused(
    base: Path, tmp_path: Path, lora: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StudioError, match=reason):
        list(training(base, tmp_path / "out", **lora))
