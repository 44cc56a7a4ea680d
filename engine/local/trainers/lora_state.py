"""What a `lora` training keeps while it runs: its state, to go on from, and an adapter for each epoch."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch
import transformers

from engine.local import disk
from engine.local.trainers import Adapter, Checkpoint, Note, Step, Validation, bases
from engine.local.trainers.lora import Run, Said, written
from engine.local.trainers.prepared import finite

Tell = Callable[[Said], None]

# Long epochs are not lost: the state is saved at least this often.
SAVE_SECONDS = 300.0
# So much was said between hearing that one shall stop, or dying unheard, and saving.
_RECENT = 4
_COMPLETE = "complete.json"
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


class Saved(msgspec.Struct):
    """Beside a state that was saved whole: what our own figures stand at.

    best: the step and loss of the checkpoint that validated best. loss, accuracy, steps: sums over this epoch
    so far. recent: what was said last, to be said again: who is told to stop, or dies, may not have heard it.
    """

    best_step: int = 0
    best_loss: float | None = None
    loss: float = 0.0
    accuracy: float = 0.0
    steps: int = 0
    recent: list[str] = []


def last_saved(state: Path) -> Path | None:
    """The newest state that was saved whole."""
    found = [path.parent for path in state.glob(f"checkpoint-*/{_COMPLETE}")]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def resumed(whole: Path) -> Saved:
    """Our own figures of a state that was saved whole."""
    return msgspec.json.decode((whole / _COMPLETE).read_bytes(), type=Saved)


def journal(run: Run, state: Path, per_epoch: int, quantised: bool, stop: threading.Event, tell: Tell) -> Any:
    """The callback that reports, decides when to save and to stop, and keeps each epoch's adapter.

    quantised: the base was brought to 4 bits for it.
    """

    class Journal(transformers.TrainerCallback):  # type: ignore[misc]
        trainer: Any = None
        stopped = False
        last_save = time.monotonic()
        valid: tuple[float, float] | None = None

        def __init__(self) -> None:
            self.saved = Saved()

        def _say(self, item: Said) -> None:
            self.saved.recent = [*self.saved.recent[1 - _RECENT :], written(item)]
            tell(item)

        def on_step_end(self, args: Any, at: Any, control: Any, **_: Any) -> None:
            wants_stop, wants_save = self._agreed(
                stop.is_set(), time.monotonic() - self.last_save > SAVE_SECONDS
            )
            if at.global_step % per_epoch == 0:
                return  # the epoch's end saves, and comes now
            control.should_save = wants_stop or wants_save
            if wants_stop:
                control.should_training_stop = self.stopped = True

        def on_epoch_end(self, args: Any, at: Any, control: Any, **_: Any) -> None:
            if not self.stopped:
                control.should_evaluate = control.should_save = True

        def on_log(self, args: Any, at: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" not in logs:
                return
            loss, accuracy = logs["loss"], logs["mean_token_accuracy"]
            finite(loss, at.global_step)
            self.saved.loss += loss
            self.saved.accuracy += accuracy
            self.saved.steps += 1
            epoch = (at.global_step - 1) // per_epoch + 1
            self._say(Step(at.global_step, at.max_steps, epoch, loss, accuracy))

        def on_evaluate(self, args: Any, at: Any, control: Any, **_: Any) -> None:
            loss, accuracy = self.valid = self.trainer.held()
            finite(loss, at.global_step)
            self._say(Validation(at.global_step, at.global_step // per_epoch, loss, accuracy))

        def on_save(self, args: Any, at: Any, control: Any, **_: Any) -> None:
            self.last_save = time.monotonic()
            if torch.distributed.is_initialized():
                torch.distributed.barrier()
            whole = state / f"checkpoint-{at.global_step}"
            if self.valid:
                self._keep(whole, at.global_step)
            if at.is_world_process_zero:
                for path in whole.iterdir():
                    _flush(path)
                disk.write_record(whole / _COMPLETE, self.saved)
                for other in state.glob("checkpoint-*"):
                    if other != whole:
                        shutil.rmtree(other, ignore_errors=True)
            # Asked to stop at the end of an epoch: it is saved now.
            if self._agreed(stop.is_set(), False)[0] and at.global_step < at.max_steps:
                control.should_training_stop = self.stopped = True

        def _keep(self, whole: Path, step: int) -> None:
            """What was saved at the end of an epoch is a checkpoint of the job's."""
            assert self.valid
            loss, accuracy = self.valid
            self.valid = None
            if self.saved.best_loss is None or loss < self.saved.best_loss:
                self.saved.best_step, self.saved.best_loss = step, loss
            count = max(1, self.saved.steps)
            figures = self.saved.loss / count, self.saved.accuracy / count
            self.saved.loss = self.saved.accuracy = self.saved.steps = 0
            if self.trainer.is_world_process_zero():
                folder = _checkpoint(Path(run.out), step)
                _keep_adapter(whole, folder, run, quantised)
                self._say(Checkpoint(step, step // per_epoch, folder, *figures, loss, accuracy))

        def _agreed(self, *wishes: bool) -> tuple[bool, ...]:
            """Whether any process wishes it: all do the same at the same step."""
            if not torch.distributed.is_initialized():
                return wishes
            flags = torch.tensor([float(wish) for wish in wishes], device=self.trainer.args.device)
            torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
            return tuple(bool(flag) for flag in flags.tolist())

    return Journal()


def _checkpoint(out: Path, step: int) -> Path:
    return out / "checkpoints" / f"step-{step}"


def _keep_adapter(source: Path, folder: Path, run: Run, quantised: bool) -> None:
    """Copy an adapter to `folder`, whole or not at all, with the base model's name in it."""
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    config = bases.read_json(source / _ADAPTER_FILES[0])
    config["base_model_name_or_path"] = run.base
    disk.write(partial / _ADAPTER_FILES[0], msgspec.json.format(msgspec.json.encode(config), indent=2))
    shutil.copyfile(source / _ADAPTER_FILES[1], partial / _ADAPTER_FILES[1])
    _flush(partial / _ADAPTER_FILES[1])
    disk.write_record(partial / "understudy.json", Adapter(run.base, run.path, "lora", quantised))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def keep_best(out: Path, saved: Saved, per_epoch: int, tell: Tell) -> None:
    """The checkpoint that validated best becomes the model."""
    best = _checkpoint(out, saved.best_step)
    for name in (*_ADAPTER_FILES, "understudy.json"):
        disk.write(out / name, (best / name).read_bytes())
    epoch = saved.best_step // per_epoch
    tell(Note(f"Epoch {epoch} validated best and is kept (loss {saved.best_loss:.3f})"))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
