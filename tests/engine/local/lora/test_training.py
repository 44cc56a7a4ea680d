"""One training process's work, in this process: what it keeps, resumes, refuses."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from lora_in_process import adapter, prepared, run

from engine.errors import DataError, StudioError
from engine.local.trainers import Checkpoint, Note, Step

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def test_the_same_seed_gives_the_same_model_stopped_or_not(tiny: Path, tmp_path: Path) -> None:
    once = run(tiny, tmp_path / "once", 40)
    other = run(tiny, tmp_path / "other", 40, seed=2)
    assert adapter(once) != adapter(other)
    # Nine steps an epoch: in the middle of one, at its end, and where nothing is left but the end.
    said: list[Any] = []
    for stop_at in (4, 9, 18):
        run(tiny, tmp_path / "again", 40, said, stop_at)
    run(tiny, tmp_path / "again", 40, said)
    assert adapter(tmp_path / "again") == adapter(once)
    assert sorted({item.step for item in said if isinstance(item, Step)}) == list(range(1, 19))
    assert sorted({item.step for item in said if isinstance(item, Checkpoint)}) == [9, 18]


def test_modules_that_are_trained_whole_are_resumed_too(tiny: Path, tmp_path: Path) -> None:
    once = run(tiny, tmp_path / "once", 40, modules_to_save=("embed_tokens",))
    run(tiny, tmp_path / "again", 40, stop_at=13, modules_to_save=("embed_tokens",))
    again = run(tiny, tmp_path / "again", 40, modules_to_save=("embed_tokens",))
    assert adapter(again) == adapter(once)


def test_the_state_is_saved_in_between_and_a_torn_one_is_not_taken(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.local.trainers import lora_state, lora_training

    monkeypatch.setattr(lora_state, "SAVE_SECONDS", 0.0)

    class KilledError(Exception):
        pass

    def tell(item: Any) -> None:
        if isinstance(item, Step) and item.step == 6:
            raise KilledError

    state = tmp_path / "out" / "state"
    with pytest.raises(KilledError):
        lora_training.train(*prepared(tiny, tmp_path / "out", 40), threading.Event(), tell)
    assert [path.name for path in state.glob("checkpoint-*")] == ["checkpoint-5"]
    (state / "checkpoint-6").mkdir()  # killed while it was written
    said: list[Any] = []
    run(tiny, tmp_path / "out", 40, said)
    # The last four are said again: whoever was killed may not have heard them.
    assert [item.step for item in said if isinstance(item, Step)] == list(range(2, 19))
    assert adapter(tmp_path / "out") == adapter(run(tiny, tmp_path / "once", 40))


def test_only_what_is_asked_for_is_trained(tiny: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    out = run(tiny, tmp_path, 20, n_epochs=1, rank=2, target_modules=("q_proj", "v_proj"))
    with safe_open(out / "adapter_model.safetensors", "pt") as file:
        names = list(file.keys())
    assert names and all(".q_proj." in name or ".v_proj." in name for name in names)


def test_the_best_epoch_is_kept(tiny: Path, tmp_path: Path) -> None:
    said: list[Any] = []
    # A rate that is far too high: later epochs undo what the first learned.
    out = run(tiny, tmp_path, 40, said, n_epochs=3, learning_rate=0.3, dropout=0.0)
    epochs = [item for item in said if isinstance(item, Checkpoint)]
    best = min(epochs, key=lambda item: item.valid_loss)
    assert adapter(out) == (best.folder / "adapter_model.safetensors").read_bytes()
    assert said[-1] == Note(f"Epoch {best.epoch} validated best and is kept (loss {best.valid_loss:.3f})")


def test_a_small_memory_is_met_with_smaller_passes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.local.trainers import memory

    plain = run(tiny, tmp_path / "plain", 20, n_epochs=1, dropout=0.0)
    seen = []
    way = memory.way

    def narrow(need: Any, free: float, batch: int, length: int, where: Any) -> Any:
        seen.append(way(need, need.bytes(2, length, True), batch, length, where))
        return seen[-1]

    monkeypatch.setattr(memory, "way", narrow)
    small = run(tiny, tmp_path / "small", 20, n_epochs=1, dropout=0.0)
    assert (seen[0].at_once, seen[0].again) == (2, True)
    import torch
    from safetensors.torch import load_file

    one, other = (load_file(out / "adapter_model.safetensors") for out in (plain, small))
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one)


def test_a_loss_that_is_no_number_is_told_where_it_is_first_seen(tiny: Path, tmp_path: Path) -> None:
    # One step an epoch, the first at a rate of 0: the second spoils what only validation sees.
    settings: dict[str, Any] = {"n_epochs": 2, "batch_size": 18, "learning_rate": 1e30}
    with pytest.raises(StudioError, match=r"no number any more at step 2\. Train with a smaller"):
        run(tiny, tmp_path, 20, **settings)


def test_what_this_machine_cannot_do_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No training example can be used: their last turns alone are longer"):
        run(tiny, tmp_path / "b", 20, max_length=16)
