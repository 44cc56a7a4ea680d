"""A finished model of an open base, as far as it goes without loading it: where it is found and taken to."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from engine.errors import StudioError
from engine.local import disk
from engine.local.export import export
from engine.local.files import Files
from engine.local.generation.hosts import Hosts
from engine.local.guard import ApiError
from engine.local.jobs import Jobs
from engine.local.models import Models
from engine.local.records import Job
from engine.local.trainers import Adapter, Settings

TUNED = "ft:base:wren:01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a local provider with one model, whose base lies in `tmp_path`/base."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    job = Job(
        id="ftjob-0123456789abcdef01234567",
        created_at=1.0,
        model=str(base),
        training_file="file-1",
        validation_file=None,
        suffix="Wren",
        seed=1,
        metadata=None,
        settings=Settings(),
        status="succeeded",
        fine_tuned_model=TUNED,
    )
    served = tmp_path / "served"
    place = served / "models" / job.hash
    place.mkdir(parents=True)
    (served / "jobs" / job.id).mkdir(parents=True)
    disk.write_record(served / "jobs" / job.id / "job.json", job)
    disk.write_record(place / "understudy.json", Adapter(str(base), str(base), "lora"))
    return served


def test_a_model_whose_base_is_gone_says_that_its_base_is_gone(folder: Path, tmp_path: Path) -> None:
    models = Models(Jobs(folder, Files(folder / "files")), Hosts(folder / "generation.log", lambda: 600.0))
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(ApiError, match="base' is not on this disk") as refusal:
        asyncio.run(models.load(TUNED))
    assert refusal.value.status == 404


def test_nothing_is_exported_into_the_providers_own_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder / "models")
    for inside in (folder / "models" / "mine", folder / "mine", tmp_path / "link" / "mine"):
        with pytest.raises(StudioError, match="local provider's own folder"):
            export(folder, TUNED, inside, merged=False)
        assert not inside.exists()
