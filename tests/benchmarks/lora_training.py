"""How much longer a LoRA training through the local provider takes than trl's bare script, in the same run.

    python tests/benchmarks/lora_training.py [EXAMPLES [EPOCHS [HIDDEN]]]

Both start a process, read the same chats, train the same random model (HIDDEN wide, 4 layers) with the same
settings, and validate and save after each epoch. They take turns, twice; the shortest of each counts. Seconds
are from asking for the training to its end; processor seconds count all processes, the server's included.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import local_server
import tiny_language_model

BATCH, RANK, RATE, SEED, ROUNDS = 8, 16, 2e-4, 1, 2

# What trl's documentation shows: chats as prompt and completion, an adapter, nothing else.
BARE = """
import json, sys
from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

model, training, validation, out, epochs, batch, rank, rate, seed = sys.argv[1:]

def chats(path):
    talks = [json.loads(line)["messages"] for line in open(path)]
    return Dataset.from_list([{"prompt": talk[:-1], "completion": talk[-1:]} for talk in talks])

trainer = SFTTrainer(
    model=model,
    args=SFTConfig(
        output_dir=out, num_train_epochs=int(epochs), per_device_train_batch_size=int(batch),
        per_device_eval_batch_size=int(batch), learning_rate=float(rate), lr_scheduler_type="cosine",
        logging_steps=1, eval_strategy="epoch", save_strategy="epoch", report_to="none", seed=int(seed),
        use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True,
        model_init_kwargs={"dtype": "float32"},
    ),
    train_dataset=chats(training), eval_dataset=chats(validation),
    peft_config=LoraConfig(
        r=int(rank), lora_alpha=2 * int(rank), lora_dropout=0.05, target_modules="all-linear",
        task_type="CAUSAL_LM",
    ),
)
trainer.train()
trainer.save_model(out)
"""


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare(model: Path, files: tuple[Path, Path], out: Path, epochs: int) -> tuple[float, float]:
    started, before = time.perf_counter(), processor()
    given = (model, *files, out, epochs, BATCH, RANK, RATE, SEED)
    subprocess.run(
        [sys.executable, "-c", BARE, *(str(each) for each in given)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - started, processor() - before


def served(model: Path, files: tuple[Path, Path], folder: Path, epochs: int) -> tuple[float, float]:
    before = processor()
    server = local_server.Server(folder).start()
    try:
        client = server.client()
        training, validation = (
            client.files.create(file=(path.name, path.read_bytes()), purpose="fine-tune") for path in files
        )
        started = time.perf_counter()
        job = client.fine_tuning.jobs.create(
            model=str(model),
            training_file=training.id,
            validation_file=validation.id,
            seed=SEED,
            method={
                "type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": epochs, "batch_size": BATCH}},
            },
            extra_body={"lora": {"rank": RANK, "learning_rate": RATE}},
        )
        while job.status not in local_server.FINAL:
            time.sleep(0.1)
            job = client.fine_tuning.jobs.retrieve(job.id)
        seconds = time.perf_counter() - started
        if job.status != "succeeded":
            raise SystemExit(job.error.message)
    finally:
        server.stop()
    return seconds, processor() - before


def main(examples: int = 400, epochs: int = 3, hidden: int = 256) -> None:
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        texts = tuple(local_server.line(number) for number in range(200))
        model = tiny_language_model.make(here / "model", texts=texts, hidden=hidden, layers=4)
        files = here / "training.jsonl", here / "validation.jsonl"
        files[0].write_bytes(local_server.training_file(examples))
        files[1].write_bytes(local_server.training_file(examples // 10, start=examples))
        size = (model / "model.safetensors").stat().st_size / 4e6
        print(f"{examples} examples, {epochs} epochs, a model of {size:.1f} M parameters")
        found: dict[str, list[tuple[float, float]]] = {"bare script": [], "served": []}
        for at in range(ROUNDS):
            found["bare script"].append(bare(model, files, here / f"bare-{at}", epochs))
            found["served"].append(served(model, files, here / f"served-{at}", epochs))
        best = {name: [min(figures) for figures in zip(*each, strict=True)] for name, each in found.items()}
        for name, (seconds, used) in best.items():
            print(f"{name:<12} {seconds:6.1f} s  {used:6.1f} s of processors")
        wall, used = (best["served"][at] / best["bare script"][at] for at in (0, 1))
        print(f"{'ratio':<12} {wall:6.3f}    {used:6.3f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
