"""Hugging Face models on this disk are found and refused without any of the hub's libraries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import StudioError
from engine.local.trainers import LoraSettings, bases, memory, weights
from engine.lora_memory import Shape

COMMIT = "0123456789abcdef"


def model(folder: Path, *, template: bool = True) -> Path:
    """A model's folder as far as it is looked at: its files' heads."""
    folder.mkdir(parents=True)
    config = {"architectures": ["Qwen3ForCausalLM"], "hidden_size": 64}
    (folder / "config.json").write_text(json.dumps(config))
    about = {"chat_template": "{{ x }}"} if template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    shapes = {"model.layers.0.self_attn.q_proj.weight": [64, 64], "model.embed_tokens.weight": [300, 64]}
    header = json.dumps({name: {"dtype": "BF16", "shape": shape} for name, shape in shapes.items()}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("UNDERSTUDY_LOCAL_MODELS", raising=False)
    monkeypatch.setattr(bases, "_LIBRARIES", {"lora": ("json",)})
    return tmp_path / "hub"


def cached(hub: Path, name: str, *, template: bool = True) -> Path:
    home = hub / f"models--{name.replace('/', '--')}"
    found = model(home / "snapshots" / COMMIT, template=template)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    return found


def test_ids_are_of_the_hub_or_folders(tmp_path: Path) -> None:
    model(tmp_path / "mine")
    for given in ("Qwen/Qwen3-0.6B", "owl/a.b_c-1", str(tmp_path / "mine")):
        assert bases.named(given)
    for given in ("gpt-4o", "a/b/c", "../b", "a/../b", "", "/", str(tmp_path), "-a/b", "ft:a/b:c:d"):
        assert not bases.named(given)


def test_the_hubs_cache_is_found_by_its_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/owl")
    assert bases.hub_cache() == Path("/home/owl/.cache/huggingface/hub")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert bases.hub_cache() == Path("/c/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert bases.hub_cache() == Path("/hf/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/hub")
    assert bases.hub_cache() == Path("/hub")


def test_a_model_that_is_half_downloaded_is_not_there(hub: Path) -> None:
    found = cached(hub, "owl/talk")
    assert bases.folder("owl/talk") == found and bases.folder("owl/other") is None
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (found / "model.safetensors.index.json").write_text(json.dumps(index))
    assert bases.folder("owl/talk") is None
    for name in ("model-1.safetensors", "model-2.safetensors"):
        (found / name).write_bytes(b"")
    assert bases.folder("owl/talk") == found


def test_what_cannot_be_trained_is_refused_with_a_remedy(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases.check("owl/talk", "lora")  # it can be downloaded
    cached(hub, "owl/mute", template=False)
    with pytest.raises(StudioError, match="no chat template"):
        bases.check("owl/mute", "lora")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StudioError, match="hf download owl/talk"):
        bases.check("owl/talk", "lora")
    (model(tmp_path / "empty") / "model.safetensors").unlink()
    with pytest.raises(StudioError, match="no weights"):
        bases.check(str(tmp_path / "empty"), "lora")
    monkeypatch.setattr(bases, "_LIBRARIES", {"lora": ("json", "no_such_library")})
    with pytest.raises(StudioError, match=r"no_such_library.*pip install 'understudy\[lora\]'"):
        bases.check("owl/talk", "lora")


def test_modules_are_looked_up_in_the_heads_of_the_weights(tmp_path: Path) -> None:
    found = weights.tensors(model(tmp_path / "m"))
    assert [tensor.shape for tensor in weights.adapted(found, LoraSettings())] == [(64, 64)]
    assert len(weights.adapted(found, LoraSettings(target_modules="q_proj"))) == 1
    assert weights.trained_whole(found, LoraSettings(modules_to_save=("embed_tokens",))) == 300 * 64
    for asked in (LoraSettings(target_modules=("embed_tokens",)), LoraSettings(modules_to_save=("k_proj",))):
        with pytest.raises(StudioError, match=r"embed_tokens|k_proj"):
            weights.check(tmp_path / "m", asked)
    (tmp_path / "m" / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(StudioError, match="damaged"):
        weights.tensors(tmp_path / "m")


def test_memory_is_met_by_smaller_ways_before_it_is_refused() -> None:
    shape = Shape(600_000_000, 28, 1024, 3072, 150_000)
    need = memory.need(shape, "cuda", trained=10_000_000)
    quick = memory.way(need, 1e12, 8, 2048)
    assert (quick.at_once, quick.again) == (8, False)
    again = memory.way(need, quick.bytes - 1, 8, 2048)
    assert (again.at_once, again.again) == (8, True)
    parts = memory.way(need, again.bytes - 1, 8, 2048)
    assert parts.at_once == 4
    with pytest.raises(StudioError, match=r"needs about 3\.\d GB of GPU memory and 1\.0 GB are free"):
        memory.way(need, 1e9, 8, 2048, "GPU memory")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b'{"architectures": 5}'),
        ("config.json", b'{"architectures": [5, null]}'),
        ("config.json", b'{"architectures": ["\xff"]}'),
        pytest.param("config.json", b'{"x": ' + b"[" * 200_000, id="bottomless"),
        ("model.safetensors.index.json", b'{"weight_map": 5}'),
        ("model.safetensors.index.json", b'{"weight_map": {"a": 5}}'),
        ("tokenizer_config.json", b"[]"),
        ("../../refs/main", b"\xff\xfe"),
    ],
)
def test_a_damaged_model_costs_itself_alone(
    hub: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: True)  # as with the extra that runs them
    cached(hub, "good/one")
    (cached(hub, "bad/one") / name).write_bytes(content)
    listed = bases.on_disk()
    assert "good/one" in listed
    assert set(listed) <= {"good/one", "bad/one"}


def test_a_folder_that_cannot_be_looked_into_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not bases.named("/" + "x" * 5000)
    assert not bases.named("/tmp/\0")

    def closed(_: Path) -> bool:  # whom the tests run as may look into every folder
        raise PermissionError(13, "Permission denied")

    model(tmp_path / "m")
    monkeypatch.setattr(Path, "is_file", closed)
    assert not bases.named(str(tmp_path / "m"))
