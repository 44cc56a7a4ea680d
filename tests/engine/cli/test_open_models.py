"""`understudy train` on an open base model: what is said before, and what is refused in a sentence."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from real_command import understudy

from engine import samples

EXTRA = any(importlib.util.find_spec(library) for library in ("peft", "mlx_lm"))
AI = ("--ai", samples.OWNER)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("open") / "studio.db"
    done = understudy("import", str(samples.messenger()), "--owner", samples.OWNER, studio=path)
    assert done.returncode == 0, done.stderr
    return path


def train(studio: Path, *args: str, **more: str) -> tuple[int, str]:
    home = str(studio.parent / "hub")
    done = understudy("train", *AI, *args, studio=studio, HF_HOME=home, HF_HUB_OFFLINE="1", **more)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_what_it_needs_is_said_and_then_what_is_missing(studio: Path) -> None:
    code, said = train(studio, "--base-model", "Qwen/Qwen3-0.6B")
    assert code == 2
    assert "everything stays on this machine" in said
    assert "memory: at least " in said and "time: not measured here yet" in said
    assert "download: about 1.5 GB from huggingface.co, once; nothing of yours goes there" in said
    missing = "HF_HUB_OFFLINE forbids to download it" if EXTRA else "pip install 'understudy["
    assert missing in said
    assert json.loads(understudy("local", "--json", studio=studio).stdout)["running"] is True
    assert not list((studio.parent / "studio-local" / "files").glob("*.data")), "nothing was uploaded"
    understudy("local", "stop", studio=studio)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--base-model", "gpt-nothing"), "has no model gpt-nothing"),
        (("--base-model", "/no/such/model"), "There is no Hugging Face model in /no/such/model"),
        (("--base-model", "./model"), "There is no Hugging Face model in /"),
        (("--base-model", "a/b/c"), "a/b/c names no model"),
        (("--lora", "rnak=3"), "--lora takes no rnak=3. It takes NAME=VALUE; names are rank,"),
        (("--lora", "rank"), "--lora takes no rank."),
        (("--lora", "rank=many"), "--lora rank=many cannot be taken. rank is a whole number from 1 to 1024."),
        (("--lora", "dropout=2"), "--lora dropout=2 cannot be taken. dropout is a number from 0 to below 1."),
        (("--lora", "trainer=abc"), "--lora trainer=abc cannot be taken. trainer is auto, lora or mlx."),
    ],
)
def test_what_cannot_be_is_refused(studio: Path, args: tuple[str, ...], said: str) -> None:
    code, heard = train(studio, *args)
    assert code == 2 and said in heard, heard
    understudy("local", "stop", studio=studio)


def test_every_adapter_setting_is_told_in_words() -> None:
    import msgspec

    from engine.cli.training import _LORA
    from engine.local.trainers import LoraSettings

    assert [field.name for field in msgspec.structs.fields(LoraSettings)] == list(_LORA)


def test_a_folder_that_lies_here_is_no_id_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.providers.base_models import as_named

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_named("models/tiny") == "models/tiny"
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "config.json").write_text("{}")
    for written in ("models/tiny", "./models/tiny", "~/models/tiny"):
        assert as_named(written) == str(tmp_path / "models" / "tiny")
    assert as_named("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"


def test_adapter_settings_become_what_the_provider_takes() -> None:
    from engine.cli.training import _lora

    given = ["rank=32", "alpha=64", "dropout=0.1", "target_modules=q_proj,v_proj", "modules_to_save=lm_head"]
    assert _lora([*given, "quantise=none", "max_length=auto"]) == {
        "rank": 32,
        "alpha": 64.0,
        "dropout": 0.1,
        "target_modules": ("q_proj", "v_proj"),
        "modules_to_save": ("lm_head",),
        "quantise": "none",
        "max_length": "auto",
    }
    assert _lora(["target_modules=all-linear"]) == {"target_modules": "all-linear"}
