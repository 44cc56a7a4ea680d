"""The mlx backend's logits are mlx-lm's own, whichever adapters share the base."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_language_model

from engine.errors import StudioError
from engine.local.trainers import Adapter, LoraSettings


@pytest.fixture
def adapters(base: Path, tmp_path: Path) -> list[Path]:
    """Two adapters on one base, neither of which leaves it as it is."""
    import mlx.core as mx

    from engine.local.trainers import mlx_adapter

    folders = []
    for seed, targets in ((1, "all-linear"), (2, ("q_proj", "v_proj"))):
        mx.random.seed(seed)
        model = mlx_adapter.load_base(base)
        config = mlx_adapter.add_layers(model, LoraSettings(rank=4, alpha=8.0, target_modules=targets))
        drawn = [
            (name, mx.random.normal(array.shape) * 0.1)
            for name, array in mlx_adapter.tree_flatten(model.trainable_parameters())
        ]
        model.load_weights(drawn, strict=False)
        folders.append(tmp_path / f"adapter-{seed}")
        folders[-1].mkdir()
        mlx_adapter.write(folders[-1], model, config, Adapter(str(base), str(base), "mlx"))
    return folders


def test_texts_with_several_adapters_take_turns_on_one_base(base: Path, adapters: list[Path]) -> None:
    import mlx.core as mx
    import numpy as np
    from mlx_lm import load

    from engine.local.generation.backend import backend

    tokens = [5, 17, 200, 31, 64, 9]
    served = backend("mlx", False)
    room = served.room(base)
    assert 200_000_000 < room.needed < room.free
    served.load(base)
    held = mx.get_active_memory()
    for adapter in adapters:
        served.load_adapter(adapter)
    assert mx.get_active_memory() - held < 100_000, "the base is there once"

    texts = {folder: served.start(folder) for folder in (None, *adapters)}
    for text in texts.values():
        text.logits(tokens[:4])  # a prompt may come in parts
    last = {}
    for token in tokens[4:]:
        last = {folder: text.logits([token]) for folder, text in texts.items()}
    for folder, logits in last.items():
        alone, _ = load(str(base), adapter_path=str(folder) if folder else None)
        expected = np.array(alone(mx.array([tokens]))[0, -1])
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert all(not np.allclose(last[None], last[adapter], atol=0.01) for adapter in adapters)

    served.unload_adapter(adapters[0])
    with pytest.raises(KeyError):
        served.start(adapters[0])


def test_an_adapter_of_another_base_is_refused_in_a_sentence(tmp_path: Path, adapters: list[Path]) -> None:
    from engine.local.generation.backend import backend

    served = backend("mlx", False)
    served.load(tiny_language_model.make(tmp_path / "other", hidden=32))
    with pytest.raises(StudioError, match="does not fit its base model"):
        served.load_adapter(adapters[0])


@pytest.mark.parametrize("name", ["adapters.safetensors", "adapter_config.json"])
@pytest.mark.parametrize("what", ["half", "none", "other"])
def test_a_damaged_adapter_is_refused_in_a_sentence(
    base: Path, adapters: list[Path], name: str, what: str
) -> None:
    from engine.local.generation.backend import backend

    file = adapters[0] / name
    if what == "none":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if what == "half" else b"{}")
    served = backend("mlx", False)
    served.load(base)
    with pytest.raises(StudioError, match=r"adapter is damaged, or does not fit.*Train it again"):
        served.load_adapter(adapters[0])
