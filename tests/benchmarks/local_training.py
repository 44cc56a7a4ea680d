"""How long the local provider trains, over HTTP: from creating the job until it has succeeded.

    python tests/benchmarks/local_training.py [EXAMPLES ...]

Examples are windows of four to eight turns of the bundled samples, ending on a reply of their owner.
The job's process, its start included, is the whole of the wait; upload and checks come before.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import local_server

from engine.archive import open_studio, people
from engine.cli.demo import load_samples
from engine.dataset import Recipe, make


async def windows(count: int, folder: Path) -> bytes:
    """A training file of `count` examples."""
    await load_samples(folder / "studio.db")
    async with await open_studio(folder / "studio.db") as studio:
        person = await people.find_person(studio, "Wren Halloran")
        dataset = await make(studio, Recipe(max_tokens=4096, groups=True, valid=0.0, test=0.0), person)
    talks = [
        [{"role": turn.role, "content": turn.text} for turn in chunk.turns if turn.role != "system"]
        for chunk in dataset.chunks
    ]
    lines = [
        json.dumps({"messages": talk[max(0, end - size) : end]})
        for size in (8, 6, 4)
        for talk in talks
        for end in range(2, len(talk) + 1)
        if talk[end - 1]["role"] == "assistant"
    ]
    if len(lines) < count:
        raise SystemExit(f"the samples give only {len(lines)} examples")
    return "\n".join(lines[:count]).encode()


def main(counts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        server = local_server.Server(Path(name) / "local").start()
        try:
            client = server.client()
            for count in counts:
                body = asyncio.run(windows(count, Path(name)))
                file = client.files.create(file=("f.jsonl", body), purpose="fine-tune")
                for trainer in ("imitation", "nearest"):
                    started = time.perf_counter()
                    job = client.fine_tuning.jobs.create(model=trainer, training_file=file.id, seed=1)
                    while job.status not in local_server.FINAL:
                        time.sleep(0.02)
                        job = client.fine_tuning.jobs.retrieve(job.id)
                    seconds = time.perf_counter() - started
                    print(f"{trainer:<10} {count:>6,} examples  {seconds:5.1f} s  {job.status}")
        finally:
            server.stop()


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [100, 1000])
