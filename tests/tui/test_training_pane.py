"""Pane 4: what goes where, a real job as it goes on, and the newcomer's way from the sample to a reply."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import studio_builder
from faulty_provider import FaultyProvider
from screen_reader import press, rows, settled, text
from textual import events
from textual.pilot import Pilot
from training_studio import ready, trained, until

from engine.archive import EventRow, JobRow, MetricRow, open_studio
from engine.archive.jobs import add_events, add_metrics, jobs, metrics, save_job
from engine.folders import local_folder
from engine.providers import TrainSettings, local_process
from tui.app import UnderstudyApp
from tui.following import follower, top_lines
from tui.screens.chat import ChatPane
from tui.screens.training import TrainingPane, views
from tui.screens.training.confirm import Confirm

SIZES = [(80, 24), (120, 36)]


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    """Where a studio can be; a local provider beside it is stopped."""
    path = tmp_path / "studio.db"
    yield path
    await local_process.stop(local_folder(path))


@pytest.fixture
async def faulty(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultyProvider]:
    server = FaultyProvider()
    await server.start()
    monkeypatch.setenv("UNDERSTUDY_BASE_URL", server.url)
    yield server
    await server.stop()


async def known(path: Path) -> list[JobRow]:
    async with await open_studio(path) as studio:
        return await jobs(studio)


async def begin(pilot: Pilot[None], **settings: Any) -> None:
    """Agree, with other settings than the page offers. The recipe is langchain's: no validation, so that
    the training does not stop early."""
    await press(pilot, "3", "r")
    await press(pilot, "down", "enter")
    await press(pilot, "t")
    confirm = pilot.app.screen
    assert isinstance(confirm, Confirm)
    confirm._settings = lambda: TrainSettings("imitation", **settings)  # type: ignore[method-assign]
    await pilot.press("y")


async def test_nothing_is_sent_or_started_before_a_person_agrees(path: Path) -> None:
    app = UnderstudyApp(await ready(path))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        shown = await press(pilot, "t")
        assert "It costs nothing." in shown and "2 people, Tortoise among them" in shown
        assert "No model has been trained here yet." in await press(pilot, "escape")
        assert not local_folder(path).exists()
        assert "stays on this machine" in await press(pilot, "n")
    assert await known(path) == []


async def test_quitting_while_a_job_is_in_the_making_is_asked_about(path: Path) -> None:
    app = UnderstudyApp(await ready(path))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "3", "t")
        async with app._connecting:  # nothing is sent meanwhile
            await pilot.press("y", "q")
            await until(pilot, lambda: "may leave it unstarted" in text(app))
        await until(pilot, lambda: follower(app).live)
        await until(pilot, lambda: isinstance(app.screen, TrainingPane))
    (job,) = await known(path)
    assert job.id is not None


async def test_a_job_begun_before_goes_on_in_the_next_session(path: Path) -> None:
    await ready(path)
    app = UnderstudyApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await begin(pilot, epochs=50, seed=1)
        await until(pilot, lambda: follower(app).live)
    (job,) = await known(path)
    assert job.id is not None
    app = UnderstudyApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("4")
        # A fast machine may have ended it meanwhile: then its end is what the next session shows.
        await until(pilot, lambda: isinstance(app.screen, TrainingPane) and "job tortoise · " in rows(app)[0])
        await until(pilot, lambda: "DONE" in text(app), seconds=90)
        await settled(pilot)
        assert "succeeded" in text(app)
        assert "Chat with which checkpoint?" in await press(pilot, "K")
        await press(pilot, "enter")
        assert isinstance(app.screen, ChatPane)
        assert app.screen.partner is not None and ":ckpt-step-" in app.screen.partner.model
        assert app.screen.partner.system == job.system
    (job,) = await known(path)
    assert job.status == "succeeded"
    async with await open_studio(path) as studio:
        steps = [row.step for row in await metrics(studio, job.key)]
    # The trainer tells every n-th step: what was told while no screen was there is not missing.
    assert steps[-1] == job.step and len(steps) > 10
    assert max(after - before for before, after in pairwise(steps)) <= steps[0]


async def test_a_job_is_paused_goes_on_and_is_cancelled_only_after_a_question(path: Path) -> None:
    app = UnderstudyApp(await ready(path, studio_builder.fable(15_000)))  # enough to outlast the keys
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await begin(pilot, epochs=50, seed=1)
        await until(pilot, lambda: "step " in text(app) and "LIVE" in text(app))
        await pilot.press("p")
        await until(pilot, lambda: "PAUSED" in text(app))
        assert "LIVE" not in text(app) and rows(app)[0].endswith("· PAUSED")
        await pilot.press("p")
        await until(pilot, lambda: "(estimate)" in text(app) or " gone" in text(app))
        await pilot.press("c")
        await until(pilot, lambda: "Cancel tortoise?" in text(app))
        await pilot.press("enter")
        await pilot.pause()
        assert "LIVE" in text(app)
        await pilot.press("c", "down", "enter")
        await until(pilot, lambda: "DONE  cancelled" in text(app))
    assert [job.status for job in await known(path)] == ["cancelled"]


async def test_a_refusal_is_shown_in_its_place_and_the_files_are_gone(
    path: Path, faulty: FaultyProvider
) -> None:
    faulty.creating = ["403"]
    app = UnderstudyApp(await ready(path))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3", "t", "p")
        shown = await press(pilot, "end", "enter")
        assert f"leaves this machine, goes to {faulty.url.split('/')[2]}" in shown
        assert "agree" not in rows(app)[-1], "no base model is chosen yet"
        assert "base-1" in await press(pilot, "b")
        shown = await press(pilot, "enter")
        assert "Price not known here." in shown and not faulty.asked("POST", "/files")
        await pilot.press("y")
        await until(pilot, lambda: "✗ creating" in text(app))
        shown = text(app)
        assert "✓ uploading" in shown and "deleted again" in shown
        assert faulty.files == {}
        await settled(pilot)
        assert "n new" in rows(app)[-1]


async def test_a_provider_that_falls_silent_is_stale_and_comes_back(
    path: Path, faulty: FaultyProvider
) -> None:
    job = {
        "id": "ftjob-1",
        "object": "fine_tuning.job",
        "created_at": 1,
        "status": "running",
        "model": "base-1",
    }
    faulty.jobs["ftjob-1"] = job
    await trained(path, status="running", model=None, base_url=faulty.url)
    app = UnderstudyApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "LIVE" in text(app))
        port = faulty.port
        await faulty.stop()
        await until(pilot, lambda: "STALE" in text(app) and "· STALE" in rows(app)[0])
        await faulty.start(port)
        await until(pilot, lambda: "LIVE" in text(app))
        faulty.jobs["ftjob-1"]["status"] = "failed"
        faulty.jobs["ftjob-1"]["error"] = {"code": "x", "message": "the data are bad", "param": None}
        await until(pilot, lambda: "DONE  failed" in text(app))
        assert "the data are bad" in text(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 48)])
async def test_hostile_events_and_names_stay_text(path: Path, size: tuple[int, int]) -> None:
    await trained(path, suffix="\x1b]0;x\x07[/]", model="ft:\x9b31m[bold]", error="\x1b[2J [/nope]")
    async with await open_studio(path) as studio:
        said = [
            EventRow(f"e{at}", at, "info", "message", line) for at, line in enumerate(studio_builder.EVIL)
        ]
        await add_events(studio, "key-1", said)
        await add_metrics(studio, "key-1", [MetricRow(1, 2.0), MetricRow(2, 1.5, 1.7)])
    app = UnderstudyApp(path)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        await press(pilot, "enter" if size[0] < 100 else "z")
        for _ in range(6):
            shown = await press(pilot, "pagedown")
            assert not set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x202E])) & set(shown) - {"\n"}
        assert "best 1.70 at step 2" in shown


async def test_every_job_is_listed_and_a_finished_one_opens_the_chat(path: Path) -> None:
    await trained(path)
    async with await open_studio(path) as studio:
        (first,) = await jobs(studio)
        later = first.created_at + 1
        failed = msgspec.structs.replace(
            first, key="key-2", id="ftjob-2", suffix="hare", model=None, status="failed", created_at=later
        )
        await save_job(studio, failed)
    app = UnderstudyApp(path)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "4")
        assert shown.index("hare") < shown.index("tortoise ")
        assert "5 chat with it" not in rows(app)[-1]
        assert "5 chat with it" in (await press(pilot, "down")).splitlines()[-1]
        await press(pilot, "enter")
        assert isinstance(app.screen, ChatPane)
        assert app.screen.partner is not None and app.screen.partner.model == "ft:base-1:tortoise:1"


async def test_enter_twice_on_a_job_opens_a_chat_that_was_never_shown_before(path: Path) -> None:
    await trained(path)
    app = UnderstudyApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        for _ in range(2):
            app.post_message(events.Key("enter", "\r"))
        await settled(pilot)
        assert isinstance(app.screen, ChatPane)
        assert app.screen.partner is not None and app.screen.partner.model == "ft:base-1:tortoise:1"


def test_the_line_on_top_says_step_loss_and_state() -> None:
    job = JobRow(
        key="k", provider="local", base_model="imitation", status="running", suffix="slow-and-steady",
        system="", created_at=0, step=120, steps=1300, train_loss=1.843, settings=json.dumps({}),
    )  # fmt: skip
    assert top_lines(job, "LIVE") == [
        "job slow-and-steady · step 120/1,300 · loss 1.84 · LIVE",
        "job slow-and-… · step 120/1,300 · loss 1.84 · LIVE",
        "job slow-and-… · step 120/1,300 · LIVE",
        "step 120/1,300 · LIVE",
    ]
    ended = msgspec.structs.replace(job, status="succeeded")
    assert top_lines(ended, "DONE")[0] == "job slow-and-steady · DONE"
    assert top_lines(msgspec.structs.replace(job, status="failed"), "DONE")[0].endswith("failed · DONE")


def test_the_clock_leaves_a_pause_out() -> None:
    job = JobRow(
        key="k", provider="local", base_model="imitation", status="running", system="", created_at=0,
        suffix="a", step=10, settings="{}",
    )  # fmt: skip
    paused = EventRow("a", 10_000, "info", "message", views.PAUSED)
    resumed = EventRow("b", 70_000, "info", "message", "Fine-tuning job resumed, moving job to queued state")
    assert "0:20 gone" in views.now_line(job, [paused, resumed], True, 80_000).plain
    held = msgspec.structs.replace(job, status="paused")
    said = views.now_line(held, [paused], True, 90_000).plain
    assert said.startswith("PAUSED  step 10") and "0:10 gone" in said


async def test_without_a_job_there_is_nothing_to_open(tmp_path: Path) -> None:
    app = UnderstudyApp(await ready(tmp_path / "studio.db"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "4")
        assert "n new" in shown and "⏎ open" not in shown
