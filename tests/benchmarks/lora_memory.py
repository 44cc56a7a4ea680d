"""What memory LoRA trainings take at their highest on a processor, beside what is foreseen for them.

    python tests/benchmarks/lora_memory.py

Each row is a process of its own that trains a random Qwen3 model on chats of one length, three batches long.
Megabytes of resident memory; `again`: activations are computed twice.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import tiny_language_model

# hidden, layers, words in the vocabulary, tokens, examples at once, again
ROWS = (
    (64, 2, 0, 256, 1, 0),
    (512, 8, 0, 1024, 1, 0),
    (512, 8, 0, 1024, 4, 0),
    (512, 8, 0, 1024, 4, 1),
    (512, 2, 0, 1024, 4, 1),
    (512, 8, 0, 256, 8, 1),
    (512, 8, 50_000, 1024, 4, 1),
)


def main() -> None:
    print("hidden layers  words tokens rows again  taken foreseen")
    for row in ROWS:
        command = [sys.executable, __file__, *map(str, row)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        taken, foreseen = json.loads(done.stdout.splitlines()[-1])
        print("{:6} {:6} {:6} {:6} {:4} {:5}".format(*row), f" {taken:5,} {foreseen:8,}")


def one(
    folder: Path, hidden: int, layers: int, vocabulary: int, tokens: int, rows: int, again: int
) -> tuple[int, int]:
    """Megabytes taken, and foreseen."""
    from engine.local.trainers import ChatMessage, Example, LoraSettings, Settings, lora_training, memory
    from engine.local.trainers.lora import Data, Lora, Run

    base = tiny_language_model.make(folder / "base", hidden=hidden, layers=layers, heads=hidden // 64)
    if vocabulary:
        _widen(base, vocabulary, hidden)
    talk = Example((ChatMessage("user", "Shall we race?"), ChatMessage("assistant", "x" * (tokens - 60))))
    data = Data([talk] * 3 * rows, [talk])
    asked = Settings(n_epochs=1, batch_size=rows, lora=LoraSettings(max_length=tokens))
    run = Run(str(base), str(base), Lora(str(base)).plan(data.training, asked), str(folder), resume=False)
    foreseen = 0.0

    def forced(need: Any, free: float, batch: int, length: int, where: str) -> memory.Way:
        nonlocal foreseen
        foreseen = need.bytes(rows, length, bool(again))
        return memory.Way(rows, bool(again), foreseen)

    memory.way = forced  # type: ignore[assignment]
    lora_training.train(run, data, folder, threading.Event(), lambda _: None)
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024 // 10**6, round(foreseen / 1e6)


def _widen(base: Path, vocabulary: int, hidden: int) -> None:
    """Give the model word vectors for more words than its tokenizer knows."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    tensors = load_file(base / "model.safetensors")
    drawn = np.random.default_rng(0).standard_normal((vocabulary, hidden)) / hidden**0.5
    tensors["model.embed_tokens.weight"] = drawn.astype(np.float32)
    save_file(tensors, str(base / "model.safetensors"), metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "vocab_size": vocabulary}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(one(Path(scratch), *map(int, sys.argv[1:]))))
    else:
        main()
