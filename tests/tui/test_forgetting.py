"""Forgetting a source on the screen: which, what goes, for good, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from screen_reader import press, rows, settled, text

from engine import samples
from engine.archive import Studio, jobs, open_studio, people, reading
from engine.archive.rows import JobRow
from engine.dataset import make, preset, save
from engine.importers.finding import recognise_all
from engine.importing import begin, finish
from tui.app import UnderstudyApp


async def fill(path: Path) -> None:
    async with await open_studio(path) as studio:
        for export in recognise_all([samples.messenger(), samples.imessage()]).exports:
            await finish(studio, await begin(export), owner=samples.OWNER)


async def trained(studio: Studio, status: str) -> None:
    """A dataset of everything, and a job that was trained on it."""
    person = await people.find_person(studio, samples.OWNER)
    await people.set_ai(studio, person.id)
    dataset = await make(studio, preset("studio"), person)
    await save(studio, dataset)
    job = JobRow(
        key="k", id="ftjob-1", provider="local", base_model="imitation", model="ft:imitation:wren",
        status=status, dataset=dataset.id, suffix="wren", system="", created_at=1,
    )  # fmt: skip
    await jobs.save_job(studio, job)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_what_goes_is_said_before_it_goes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "studio.db"
    await fill(path)
    async with await open_studio(path) as studio:
        await trained(studio, "succeeded")
    assert b"sourdough" in path.read_bytes()
    app = UnderstudyApp(path)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        shown = await press(pilot, "F")
        assert "Which source shall be forgotten?" in shown
        assert [row.split()[0] for row in rows(app) if row.endswith(" messages")] == ["iMessage", "Messenger"]
        shown = await press(pilot, "down", "enter")
        assert "Forget Messenger?" in shown
        for line in ("   16  conversations", "    1  dataset with all its chunks", "This cannot be undone"):
            assert line in shown
        assert "1 model that was trained on its words still will remember them." in shown
        shown = await press(pilot, "enter")
        assert "Forget Messenger?" in shown, "enter alone deletes nothing"
        shown = await press(pilot, "y")
        assert "Messenger is forgotten." in shown
        assert "understudy models delete ft:imitation:wren --provider local" in shown
        shown = await press(pilot, "escape")
        assert "14 conversations" in shown and "messenger" not in shown
    async with await open_studio(path) as studio:
        assert [source.name for source in await reading.sources(studio)] == ["imessage"]
    assert b"sourdough" not in path.read_bytes()


@pytest.mark.parametrize("keys", [("escape",), ("down", "enter", "escape"), ("enter", "n", "q")])
async def test_leaving_keeps_everything(tmp_path: Path, keys: tuple[str, ...]) -> None:
    path = tmp_path / "studio.db"
    await fill(path)
    app = UnderstudyApp(path)
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "F", "down")
        for key in keys:
            await press(pilot, key)
        assert "30 conversations" in text(app)
    async with await open_studio(path) as studio:
        assert (await reading.counts(studio)).sources == 2


async def test_a_running_training_is_said(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    await fill(path)
    app = UnderstudyApp(path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await trained(await app.studio(), "running")
        await press(pilot, "F")
        shown = await press(pilot, "enter")
        assert "Nothing was deleted." in shown and "understudy jobs cancel ftjob-1" in shown
        assert "30 conversations" in await press(pilot, "y", "escape")


async def test_an_empty_studio_has_nothing_to_forget(tmp_path: Path) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "Which source" not in await press(pilot, "F")


async def test_after_the_last_source_the_studio_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    async with await open_studio(path) as studio:
        (export,) = recognise_all([samples.imessage()]).exports
        await finish(studio, await begin(export))
    app = UnderstudyApp(path)
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "F", "enter", "y")
        assert "Nothing here yet." in await press(pilot, "escape")
