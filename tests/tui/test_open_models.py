"""Choosing an open base model on the page before a training: what it needs, what is missing, another one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from screen_reader import press, rows, settled, text
from textual.pilot import Pilot
from training_studio import ready, trained, until

from engine.folders import local_folder
from engine.providers import base_models, local_process
from tui.app import UnderstudyApp
from tui.screens.training.confirm import Confirm


@pytest.fixture
async def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "studio.db"
    yield path
    await local_process.stop(local_folder(path))


def confirm(app: UnderstudyApp) -> Confirm:
    assert isinstance(app.screen, Confirm)
    return app.screen


async def to_the_plan(pilot: Pilot[None]) -> None:
    await press(pilot, "3")
    await until(pilot, lambda: "checks:" in text(pilot.app))
    await press(pilot, "t")
    await until(pilot, lambda: isinstance(pilot.app.screen, Confirm) and "y agree" in text(pilot.app))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_an_open_model_is_chosen_with_all_that_it_needs(
    path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_models, "_installed", lambda library: library == "peft")
    app = UnderstudyApp(await ready(path))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await to_the_plan(pilot)
        await press(pilot, "b")
        await until(pilot, lambda: "Train which base model?" in text(app))
        shown = text(app)
        assert "imitation: learns phrasing" in shown and "memory to train" in shown
        (line,) = [line for line in rows(app) if "HuggingFaceTB/SmolLM2-1.7B-Instruct" in line]
        assert "GB, loads 3.4 GB" in line
        assert "another: its id on the hub, or a folder" in shown
        await press(pilot, "down", "down", "enter")
        shown = text(app)
        assert confirm(app).base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
        assert "stays on this machine" in shown and "not measured here yet" in shown
        assert "about 269 MB from huggingface.co" in shown
        assert "agree and start" in rows(app)[-1]


async def test_without_the_extra_one_reads_what_to_install_and_cannot_agree(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_models, "_installed", lambda library: False)
    app = UnderstudyApp(await ready(path))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await to_the_plan(pilot)
        await press(pilot, "b")
        await until(pilot, lambda: "Train which base model?" in text(app))
        assert "They need more: pip install 'understudy[" in text(app)
        shown = await press(pilot, "down", "down", "enter")
        assert "pip install 'understudy[" in shown
        assert "agree and start" not in "".join(rows(app)[:-1]), "the page does not offer it"
        shown = await press(pilot, "y")
        assert confirm(app).base_model, "nothing is started"
        assert (
            "SmolLM2-135M-Instruct needs more than the default install." in shown
            and "then try again" in shown
        )
        await press(pilot, "b")
        await until(pilot, lambda: "Train which base model?" in text(app))
        assert "agree and start" in await press(pilot, "home", "enter")


async def test_a_folder_or_another_id_is_taken_and_what_is_none_is_said(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_models, "_installed", lambda library: library == "peft")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text(json.dumps({"hidden_size": 8}))
    app = UnderstudyApp(await ready(path))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)

        async def name(model: str) -> str:
            await press(pilot, "b")
            await until(pilot, lambda: "Train which base model?" in text(app))
            await press(pilot, "end", "enter")
            await pilot.press(*model, "enter")
            await settled(pilot)
            return text(app)

        await to_the_plan(pilot)
        assert "mine" in (await name(str(mine))).partition("base model")[2]
        assert "none, it is on this machine" in text(app)
        assert "There is no Hugging Face model in /no/where." in await name("/no/where")
        assert confirm(app).base_model == str(mine), "what was chosen before stays"
        assert "nobody/unheard-of" in await name("nobody/unheard-of") and "of unknown size" in text(app)


async def test_one_key_says_what_the_disk_holds(path: Path) -> None:
    await trained(path, status="succeeded")
    app = UnderstudyApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "4", "D")
        await until(pilot, lambda: "Models and jobs on this machine take" in text(app))
        assert "all of it is needed" in text(app)
