"""What a training process of `lora` does: examine, load, train with trl's SFTTrainer, keep what was learned.

Tokens and labels are ours (see `labels`), the training loop, its checkpoints and their resumption are the
libraries'.
"""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

from engine.errors import StudioError
from engine.local.trainers import (
    Note,
    bases,
    four_bits,
    labels,
    memory,
    prepared,
)
from engine.local.trainers.lora import Data, Run, Said, read
from engine.local.trainers.lora_state import Tell, journal, keep_best, last_saved, resumed

# Longer trainings report every so many steps, so that a job's events stay readable.
REPORTS = 2000
WARMUP = 0.05
# What the base is held and computed in; the adapter has 32 bits everywhere. A card older than Ampere has no
# units for bfloat16: it is slow there, and right.
DTYPES = {"cpu": torch.float32, "cuda": torch.bfloat16}


def train(run: Run, data: Data, state: Path, stop: threading.Event, tell: Tell) -> None:
    """Train from the state last saved, or from the start. Returns when done or asked to stop."""
    settings, path = run.settings, Path(run.path)
    lora = settings.lora
    config = bases.read_json(path / "config.json")
    found = memory.sizes(path, lora)
    ready = prepared.prepare(path, data.training, data.validation, lora.max_length)
    training, validation, tokenizer = ready.training, ready.validation, ready.tokenizer
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if stop.is_set():
        return
    note = tell if last_saved(state) is None else _silent  # what was said of the data is not said again
    for said in ready.notes:
        note(said)

    device = _device()
    quantised = "quantization_config" not in config and four_bits.settled(lora.quantise, device)
    need = memory.need(found.shape, device, trained=found.trained, four_bits=quantised)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    batch = -(-int(settings.batch_size) // world)
    where: Literal["GPU memory", "memory"] = "GPU memory" if device == "cuda" else "memory"
    way = memory.way(need, _least(_free(device), device, world), batch, ready.longest, where)
    note(
        Note(
            f"Training {found.trained:,} parameters beside the {found.shape.parameters:,} of {run.base} "
            f"on {_where(device, world)}{', in 4 bits' if quantised else ''}: "
            f"about {way.bytes / 1e9:.1f} GB of memory"
        )
    )

    import datasets
    import peft
    import trl

    class Trainer(trl.SFTTrainer):  # type: ignore[misc]
        """Keeps the validation set's loss and accuracy as means over its tokens, not over its batches."""

        def held(self) -> tuple[float, float]:
            loss, right, tokens = self._sums.tolist()
            return loss / tokens, right / tokens

        def evaluate(self, *args: Any, **options: Any) -> Any:
            self._sums = torch.zeros(3)
            return super().evaluate(*args, **options)

        def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            inputs = self._prepare_inputs(inputs)
            with torch.no_grad(), self.compute_loss_context_manager():
                made = model(**inputs, use_cache=False, fused_lm_head=True)
            # (examples, 3). Row by row, as several processes fill their last batch up with examples again.
            rows = torch.stack([-made.log_probs, made.is_top1, made.label_mask], -1).float().sum(1)
            self._sums += self.accelerator.gather_for_metrics(rows).sum(0).cpu()
            loss, _, tokens = rows.sum(0)
            return loss / tokens, None, None

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(settings.seed)  # the adapter is drawn before the trainer sets it
    model = _model(path, device, quantised)
    if quantised:
        four_bits.made_trainable(model)
    steps = math.ceil(math.ceil(len(training) / world / way.at_once) / (batch // way.at_once))
    keeping = journal(run, state, steps, quantised, stop, tell)
    trainer = Trainer(
        model=model,
        args=trl.SFTConfig(
            output_dir=str(state),
            num_train_epochs=int(settings.n_epochs),
            per_device_train_batch_size=way.at_once,
            per_device_eval_batch_size=way.at_once,
            gradient_accumulation_steps=batch // way.at_once,
            learning_rate=float(lora.learning_rate) * float(settings.learning_rate_multiplier),
            lr_scheduler_type="cosine",
            warmup_steps=math.ceil(WARMUP * steps * int(settings.n_epochs)),
            weight_decay=0.0,
            logging_steps=max(1, steps * int(settings.n_epochs) // REPORTS),
            logging_nan_inf_filter=False,
            eval_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=settings.seed,
            data_seed=settings.seed,
            use_cpu=device == "cpu",
            ddp_backend="gloo" if device == "cpu" and world > 1 else None,
            bf16=DTYPES[device] == torch.bfloat16,
            gradient_checkpointing=way.again,
            dataloader_pin_memory=device == "cuda",
            remove_unused_columns=False,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=_dataset(training),
        eval_dataset=_dataset(validation),
        processing_class=tokenizer,
        peft_config=peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=_targets(lora.target_modules),
            modules_to_save=list(lora.modules_to_save) or None,
            ensure_weight_tying=bool(lora.modules_to_save and config.get("tie_word_embeddings")),
        ),
        callbacks=[keeping],
    )
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:  # trl and peft leave some of them in 16 bits: too few for small steps
            parameter.data = parameter.data.float()
    trainer.remove_callback(transformers.PrinterCallback)
    keeping.trainer = trainer
    saved = last_saved(state)
    if saved:
        keeping.saved = resumed(saved)
        for line in keeping.saved.recent:
            tell(read(line))
    trainer.train(resume_from_checkpoint=str(saved) if saved else None)
    if not keeping.stopped and trainer.is_world_process_zero():
        keep_best(Path(run.out), keeping.saved, steps, tell)


def _silent(_: Said) -> None: ...


def _device() -> Literal["cpu", "cuda"]:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _free(device: str) -> float:
    if device == "cuda":
        return float(torch.cuda.mem_get_info(_local())[0])
    return memory.free_memory() / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _least(free: float, device: str, world: int) -> float:
    """The least that any of the processes has: all must take their batches alike, or they wait for ever."""
    if world == 1:
        return free
    import accelerate

    at = accelerate.PartialState(cpu=device == "cpu", **({"backend": "gloo"} if device == "cpu" else {}))
    least = torch.tensor(free, dtype=torch.float64, device=at.device)
    torch.distributed.all_reduce(least, op=torch.distributed.ReduceOp.MIN)
    return float(least)


def _local() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def _where(device: str, world: int) -> str:
    name = torch.cuda.get_device_name(_local()) if device == "cuda" else "the CPU"
    return name if world == 1 else f"{name}, in {world} processes"


def _model(path: Path, device: str, quantised: bool) -> Any:
    dtype = DTYPES[device]
    options = four_bits.options(_local() if device == "cuda" else device, dtype) if quantised else {}
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, use_safetensors=True, **options
        )
    except (ImportError, ValueError, OSError, KeyError) as error:
        raise StudioError(
            f"The model in {path} cannot be loaded ({type(error).__name__}).",
            "Choose a model that this version of transformers knows without code of its own.",
        ) from error


def _targets(asked: str | tuple[str, ...]) -> str | list[str]:
    if isinstance(asked, str):
        return asked if asked == "all-linear" else [asked]
    return "all-linear" if asked == ("all-linear",) else list(asked)


def _dataset(examples: list[labels.Tokens]) -> Any:
    import datasets

    return datasets.Dataset.from_dict(
        {
            "input_ids": [example.ids for example in examples],
            "labels": [example.labels for example in examples],
        }
    )
