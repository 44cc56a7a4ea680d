"""Open base models on this machine: what each needs is computed, found or measured, or said to be unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from tortoise_dataset import tortoise

from engine import bases
from engine.errors import StudioError
from engine.hardware import Machine, machine
from engine.lora_memory import Shape, mlx_need, need, shape_of
from engine.providers import TrainSettings, base_models, plan, provider
from engine.providers.base_models import Base, base_model, check, listed, suits

SMALL = "HuggingFaceTB/SmolLM2-135M-Instruct"
GB = 10**9


def cached(home: Path, model: str, **config: object) -> Path:
    """A model as the hub's library leaves it in its cache; its weights hold nothing."""
    top = home / "hub" / f"models--{model.replace('/', '--')}"
    folder = top / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (top / "refs").mkdir()
    (top / "refs" / "main").write_text("abc")
    (folder / "config.json").write_text(json.dumps({"architectures": ["QwenForCausalLM"], **config}))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "model.safetensors").write_bytes(b"\0" * 4000)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache of one's own, and nothing of the environment's."""
    for name in (
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "HF_ENDPOINT",
        "UNDERSTUDY_LOCAL_MODELS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    return tmp_path


def with_extra(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(base_models, "_installed", lambda library: there and library == "peft")


def words(base: Base) -> dict[str, str]:
    return dict(plan(tortoise(), provider("local"), TrainSettings(base.id), base).needs)


def test_the_list_is_by_size_and_every_row_is_whole(home: Path) -> None:
    rows = [row for row in listed(home) if row.licence]
    assert len(rows) >= 6
    sizes = [row.shape.parameters for row in rows if row.shape]
    assert sizes == sorted(sizes) and len(sizes) == len(rows)
    for row in rows:
        assert row.shape and row.download and bases.named(row.id)
        # Weights are published in 2 bytes a parameter; some repeat their word vectors as the last layer.
        words = row.shape.vocabulary * row.shape.hidden
        assert 2 * row.shape.parameters <= row.download * 1.01 <= 2.1 * (row.shape.parameters + words)


def test_what_is_on_this_disk_or_was_trained_on_is_offered_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: True)
    cached(home, "someone/here")
    ids = [base.id for base in listed(home, ["someone/once", SMALL, "someone/here", "/gone/folder"])]
    assert ids[-2:] == ["someone/here", "someone/once"]
    assert len(ids) == len(set(ids)) and "/gone/folder" not in ids


def test_memory_grows_with_all_that_takes_it() -> None:
    small, large = Shape(10**8, 12, 512, 1536, 8_000), Shape(10**9, 24, 2048, 8192, 8_000)

    def least(shape: Shape, kind: Literal["cpu", "cuda"], tokens: int, four_bits: bool = False) -> float:
        return need(shape, kind, four_bits=four_bits).bytes(1, tokens, again=True)

    assert least(small, "cpu", 512) < least(small, "cpu", 1024) < least(large, "cpu", 1024)
    assert least(large, "cuda", 512, four_bits=True) < least(large, "cuda", 512) < least(large, "cpu", 512)
    assert least(small, "cpu", 1) > 4 * small.parameters
    # A table of its own for the last layer stays in 16 bits too.
    untied = msgspec.structs.replace(large, words=2 * 8_000 * 2048)
    assert least(untied, "cuda", 512, four_bits=True) > least(large, "cuda", 512, four_bits=True)
    apart = mlx_need(small, 512, stored=2 * small.parameters)
    assert (
        apart.bytes(1, 512, again=True) < apart.bytes(1, 512, again=False) < apart.bytes(2, 512, again=False)
    )


def test_a_downloaded_model_is_measured_where_it_lies(home: Path) -> None:
    sizes = {"num_hidden_layers": 3, "hidden_size": 8, "intermediate_size": 16, "vocab_size": 100}
    folder = cached(home, "someone/tiny-chat", torch_dtype="float32", **sizes)
    found = base_model("someone/tiny-chat", home)
    assert found.folder == folder and found.download is None
    assert found.shape == Shape(1000, 3, 8, 16, 100)
    assert words(found)["download"] == "none, it is on this machine"
    assert base_model(str(folder), home).shape == found.shape
    assert shape_of(cached(home, "someone/other-chat")) is None


def test_what_must_be_downloaded_is_said_with_its_place_and_size(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = words(base_model(SMALL, home))
    assert said["download"] == "about 269 MB from huggingface.co, once; nothing of yours goes there"
    assert "for examples of" in said["memory"] and "GB" in said["memory"]
    unknown = words(base_model("someone/unheard-of", home))
    assert unknown["download"].startswith("of unknown size from huggingface.co")
    assert unknown["memory"].startswith("not known before it is downloaded")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert "from mirror.example" in words(base_model(SMALL, home))["download"]


def test_time_is_said_where_it_was_measured_and_nowhere_else(home: Path) -> None:
    assert words(base_model(SMALL, home))["time"] == "not measured here yet"
    rows = [
        {"model": SMALL, "examples": 100.0, "seconds": 1.0, "at": 1_700_000_000, "trainer": "lora"},
        {"model": SMALL, "examples": 500.0, "seconds": 300.0, "at": 1_700_000_000, "trainer": "lora"},
        {"model": SMALL, "examples": 500.0, "seconds": 9.0, "at": 1_700_000_000, "trainer": "mlx"},
        {"model": "another/one", "examples": 10.0, "seconds": 900.0, "at": 1_700_000_000, "trainer": "lora"},
    ]
    (home / "measured.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"model": "half')
    assert words(base_model(SMALL, home))["time"].startswith("1,000 examples took 10 min here (2023-11-1")
    assert base_model("another/one", home).measured.startswith("1,000 examples took 25.0 h here")


def test_without_the_extra_the_command_that_installs_it_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_extra(monkeypatch, False)
    missing = base_model(SMALL, home)
    assert words(missing)["needs"] in ("pip install 'understudy[lora]'", "pip install 'understudy[mlx]'")
    with pytest.raises(StudioError, match="needs more than the default install") as refused:
        check(missing)
    assert "pip install" in refused.value.hint
    with_extra(monkeypatch, True)
    there = base_model(SMALL, home)
    assert "needs" not in words(there)
    check(there)


def test_offline_a_missing_model_is_refused_and_a_present_one_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_extra(monkeypatch, True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StudioError, match="HF_HUB_OFFLINE forbids"):
        check(base_model(SMALL, home))
    cached(home, SMALL)
    check(base_model(SMALL, home))


@pytest.mark.parametrize("model", ["/no/such/folder", "three/part/name", "../up", "a b/c"])
def test_what_names_no_model_is_said(model: str, home: Path) -> None:
    with pytest.raises(StudioError, match=r"no model|no Hugging Face model"):
        base_model(model, home)


@pytest.mark.parametrize(
    ("kind", "memory", "best"),
    [
        ("cpu", 1 * GB, None),
        ("cpu", 64 * GB, "Qwen/Qwen3-0.6B"),
        ("apple", 8 * GB, "Qwen/Qwen3-0.6B"),
        ("apple", 64 * GB, "Qwen/Qwen3-8B"),
        ("cuda", 24 * GB, "Qwen/Qwen3-4B-Instruct-2507"),
        ("cuda", 80 * GB, "Qwen/Qwen3-8B"),
    ],
)
def test_what_suits_a_machine(
    kind: str, memory: int, best: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_models, "machine", lambda: Machine(kind, memory))  # type: ignore[arg-type]
    with_extra(monkeypatch, True)
    chosen = suits([row for row in listed(home) if row.licence])
    assert (chosen and chosen.id) == best


def test_a_model_too_large_for_the_machine_is_warned_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_models, "machine", lambda: Machine("cuda", 8 * GB))
    with_extra(monkeypatch, True)
    found = plan(
        tortoise(), provider("local"), TrainSettings("Qwen/Qwen3-8B"), base_model("Qwen/Qwen3-8B", home)
    )
    assert any("too large for the memory here" in warning for warning in found.warnings)
    assert "this graphics card has 8.0 GB" in dict(found.needs)["memory"]


def test_this_machine_has_memory() -> None:
    assert machine().memory > 100_000_000
