"""The trainer mlx is tested with its CPU build, where the extra [mlx] is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import seasons
import tiny_language_model

CHATML = (
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, no network, and a hub's cache of their own."""
    if importlib.util.find_spec("mlx_lm") is None:
        pytest.skip("the extra [mlx] is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, environment: None) -> Path:
    """A random chat model of 0.1 M parameters whose tokens are the words of the seasons."""
    texts = tuple(seasons.line(number) for number in range(300))
    folder = tmp_path_factory.mktemp("base") / "tiny"
    return tiny_language_model.make(folder, layers=1, texts=texts, template=CHATML)
