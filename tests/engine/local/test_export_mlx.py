"""Taking an adapter of mlx-lm elsewhere: as it is, and fused into its base, read by mlx-lm itself."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tiny_language_model

from engine import bases
from engine.errors import StudioError
from engine.local import disk
from engine.local.export import export
from engine.local.records import Job
from engine.local.trainers import Adapter, Settings

RANK = 4


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    if importlib.util.find_spec("mlx_lm") is None:
        pytest.skip("the extra [mlx] is not installed")
    return tiny_language_model.make(tmp_path / "tiny")


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """The folder of a local provider that has one finished job with a random adapter."""
    import mlx.core as mx
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm import utils
    from mlx_lm.tuner.utils import linear_to_lora_layers

    job = Job(
        id="ftjob-0123456789abcdef01234567",
        created_at=1.0,
        model=str(tiny),
        training_file="file-1",
        validation_file=None,
        suffix="Wren",
        seed=1,
        metadata=None,
        settings=Settings(),
        status="succeeded",
        fine_tuned_model="ft:tiny:wren:01234567",
    )
    place = tmp_path / "served" / "models" / job.hash
    place.mkdir(parents=True)
    (tmp_path / "served" / "jobs" / job.id).mkdir(parents=True)
    disk.write_record(tmp_path / "served" / "jobs" / job.id / "job.json", job)
    model, *_ = utils.load(str(tiny))
    model.freeze()
    shape = {"rank": RANK, "scale": 4.0, "dropout": 0.0}
    linear_to_lora_layers(model, 2, shape)
    mx.random.seed(5)
    fresh = tree_map(lambda part: mx.random.normal(part.shape) * 0.2, model.trainable_parameters())
    mx.save_safetensors(str(place / "adapters.safetensors"), dict(tree_flatten(fresh)))
    about = {"fine_tune_type": "lora", "num_layers": 2, "lora_parameters": shape}
    (place / "adapter_config.json").write_text(json.dumps(about))
    disk.write_record(place / "understudy.json", Adapter(str(tiny), str(tiny), "mlx"))
    return tmp_path / "served"


def likelihoods(base: Path, adapter: Path | None = None) -> Any:
    import mlx.core as mx
    import numpy as np
    from mlx_lm import utils

    model, *_ = utils.load(str(base), adapter_path=str(adapter) if adapter else None)
    return np.array(model(mx.array([[5, 9, 11, 3]]))[0, -1].astype(mx.float32))


def test_adapter_and_fused_model_say_the_same_and_not_what_the_base_says(
    folder: Path, tiny: Path, tmp_path: Path
) -> None:
    import numpy as np

    said = export(folder, "ft:tiny:wren:01234567", tmp_path / "adapter", merged=False)
    assert said.serving[0].lines[0] == (
        f"mlx_lm.server --model {tiny} --adapter-path {tmp_path / 'adapter'} --port 8080 "
        """--chat-template-args '{"enable_thinking": false}'"""
    )
    assert {file.name for file in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapters.safetensors",
    }
    whole = export(folder, "ft:tiny:wren:01234567", tmp_path / "whole", merged=True)
    assert whole.serving[0].lines[0].endswith("--served-model-name wren-01234567")
    assert bases.is_chat_model(tmp_path / "whole") and not (tmp_path / "whole" / "README.md").exists()
    base, fused = likelihoods(tiny), likelihoods(tmp_path / "whole")
    assert np.allclose(likelihoods(tiny, tmp_path / "adapter"), fused, atol=1e-3)
    assert np.abs(fused - base).max() > 0.5


def test_a_base_that_is_gone_leaves_the_adapter(folder: Path, tiny: Path, tmp_path: Path) -> None:
    (tiny / "config.json").unlink()
    with pytest.raises(StudioError, match="is not on this machine any more"):
        export(folder, "ft:tiny:wren:01234567", tmp_path / "whole", merged=True)
    assert not (tmp_path / "whole").exists()
    assert export(folder, "ft:tiny:wren:01234567", tmp_path / "adapter", merged=False).bytes > 1000


def test_a_job_without_a_model_says_so(folder: Path, tmp_path: Path) -> None:
    record = folder / "jobs" / "ftjob-0123456789abcdef01234567" / "job.json"
    job = msgspec.json.decode(record.read_bytes(), type=Job)
    disk.write_record(record, msgspec.structs.replace(job, fine_tuned_model=None, status="cancelled"))
    with pytest.raises(StudioError, match="left no finished model"):
        export(folder, job.id, tmp_path / "whole", merged=False)
