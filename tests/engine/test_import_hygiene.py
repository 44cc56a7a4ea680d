"""Each room loads alone in a fresh process, and only what it needs."""

import subprocess
import sys

import pytest

ROOMS = [
    "engine.config",
    "engine.conversation",
    "engine.importers",
    "engine.archive",
    "engine.dataset",
    "engine.providers",
    "engine.chat",
    "engine.evaluation",
    "engine.local",
    "engine.local.train",
    "engine.local.trainers",
    "engine.bases",
    "engine.local.trainers.lora",
    "engine.local.trainers.lora_run",
    "engine.samples",
    "engine.cli",
    "engine.cli.arguments",
]
HEAVY = {"openai", "langchain_core", "langchain_openai", "numpy", "tiktoken", "uvicorn", "torch", "httpx2"}
HEAVY |= {"transformers", "peft", "trl", "datasets", "accelerate", "huggingface_hub", "mlx", "mlx_lm"}


def loaded(statement: str) -> set[str]:
    """Top-level modules in sys.modules after running `statement` in a fresh process."""
    code = f"{statement}\nimport sys; print(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_engine_loads_nothing_heavy_and_no_screen(room: str) -> None:
    assert not loaded(f"import {room}") & (HEAVY | {"textual", "tui", "rich"})


def test_the_command_loads_no_screen_before_it_opens_one() -> None:
    assert not loaded("import tui.__main__") & (HEAVY | {"textual", "rich"})


def test_the_screen_starts_without_models_or_networks() -> None:
    assert not loaded("import tui.app") & HEAVY


def test_the_server_computes_with_nothing() -> None:
    """Models run in processes of their own."""
    computing = {"torch", "transformers", "peft", "mlx", "mlx_lm", "numpy"}
    assert not loaded("import engine.local.serve") & computing


def test_the_check_can_fail() -> None:
    assert "numpy" in loaded("import numpy")
