"""One server with a tiny base model and two fine-tuned ones, for all tests that leave them as they are."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from local_server import Server, wait_for

TEXTS = ("The tortoise and the hare agreed to race. Slow and steady, café naïve 日本語 😀. ",) * 20


class Served(NamedTuple):
    """server: serves the models below. base: the id (and folder) of the bare one. tuned, other: two
    fine-tuned ones. checkpoint: of `tuned`."""

    server: Server
    base: str
    tuned: str
    other: str
    checkpoint: str

    def hosts(self) -> list[int]:
        """The generation processes of this server."""
        return children(self.server.process.pid)


def children(pid: int) -> list[int]:
    """The generation processes that `pid` has started and that have not ended."""
    columns = ["ps", "-axwwo", "pid=,ppid=,stat=,args="]
    listed = subprocess.run(columns, capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=3) for line in listed.splitlines()]
    return [
        int(row[0])
        for row in rows
        if int(row[1]) == pid and not row[2].startswith("Z") and "engine.local.generation" in row[3]
    ]


def alive(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith("Z")


@pytest.fixture(scope="session")
def extra() -> None:
    """Skips where models cannot be run."""
    if not find_spec("peft") or not find_spec("torch"):
        pytest.skip("the extra [lora] is not installed")


@pytest.fixture(scope="session")
def tiny_base(extra: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_language_model import make

    folder = tmp_path_factory.mktemp("models") / "tiny"
    return make(folder, seed=1, hidden=128, layers=3, texts=TEXTS, vocabulary=600)


@pytest.fixture
def serve(tiny_base: Path, tmp_path: Path) -> Iterator[Callable[[], Served]]:
    """Start servers of one's own, with the models of `served`."""
    started = []

    def start() -> Served:
        started.append(_start(tmp_path / f"served-{len(started)}", tiny_base))
        return started[-1]

    yield start
    for each in started:
        each.server.stop()


@pytest.fixture(scope="session")
def served(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = _start(tmp_path_factory.mktemp("local") / "served", tiny_base)
    yield found
    found.server.stop()
    wait_for(lambda: not found.hosts())


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    with served.server.client() as client:
        yield client


@pytest.fixture(scope="session")
def oracle(tiny_base: Path) -> SimpleNamespace:
    """transformers' own model and tokenizer, in this process."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_base))
    return SimpleNamespace(
        torch=torch, model=AutoModelForCausalLM.from_pretrained(str(tiny_base)).eval(), tokenizer=tokenizer
    )


def _start(folder: Path, base: Path) -> Served:
    from tiny_adapter import job

    tuned, other = job(folder, base, 1).model_id, job(folder, base, 2).model_id
    return Served(Server(folder).start(), str(base), tuned, other, f"{tuned}:ckpt-step-5")
