"""A model, a server and a finished job for all tests of the extra [lora]."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lora_extra
import pytest
import seasons
import tiny_language_model
from local_server import Server, finished

SETTINGS: dict[str, Any] = {"n_epochs": 4, "batch_size": 16}
LORA: dict[str, Any] = {"rank": 16, "learning_rate": 0.01}


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A hub's cache and a folder of models of their own, one thread, no network. Gives the models' folder."""
    lora_extra.needed()
    models = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("UNDERSTUDY_LOCAL_MODELS", str(models))
        lora_extra.alone(patch)
        yield models


@pytest.fixture(scope="session")
def tiny(environment: Path) -> Path:
    """A random chat model of 0.1 M parameters."""
    texts = tuple(seasons.line(number) for number in range(200))
    return tiny_language_model.make(environment / "tiny-seasons", texts=texts)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("lora") / "served").start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def job(server: Server, tiny: Path) -> Any:
    """A job that learned the seasons; what validates it shares no month in a town with what trains it."""
    client = server.client()
    training = client.files.create(file=("t.jsonl", seasons.file(320)), purpose="fine-tune")
    validation = client.files.create(file=("v.jsonl", seasons.file(40, odd=True)), purpose="fine-tune")
    created = client.fine_tuning.jobs.create(
        model=str(tiny),
        training_file=training.id,
        validation_file=validation.id,
        suffix="Seasons",
        seed=3,
        method={"type": "supervised", "supervised": {"hyperparameters": SETTINGS}},
        extra_body={"lora": LORA},
    )
    ended = finished(client, created.id, 200)
    assert ended.status == "succeeded", ended.error
    return ended
