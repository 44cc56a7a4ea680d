"""The pane: which job is shown, a job in the making, and what the keys do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from engine.errors import StudioError
from tui.actions import bindings
from tui.following import Follower, News, follower
from tui.keymap import keyed
from tui.pane import Pane
from tui.screens.training import views
from tui.screens.training.confirm import Agreed, Confirm
from tui.widgets.choose import Choose
from tui.widgets.loss_chart import LossChart
from tui.widgets.page import Page

if TYPE_CHECKING:
    from engine.archive.rows import CheckpointRow, EventRow, JobRow, MetricRow
    from engine.dataset import Dataset
    from engine.providers.local_disk import DiskItem

NOTHING = """\
No model has been trained here yet.

[{training.new}]  shows what would go where; nothing is sent before you agree."""

FINAL = ("succeeded", "failed", "cancelled", "refused")


class TrainingPane(Pane):
    """Every job that the studio knows, and one of them as it goes on."""

    DIGIT = 4
    BINDINGS = bindings("training")
    DEFAULT_CSS = """
    TrainingPane {
        .list { width: 46; }
        &.-three .list { width: 64; }
        #headline, #now, #losses { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #losses { margin: 1 0 0 0; }
        LossChart { height: 1fr; max-height: 20; min-height: 8; margin: 0 1 1 0; }
        #starting { display: none; }
        &.-starting #job { display: none; }
        &.-starting #starting { display: block; }
        #nothing { display: none; width: 1fr; height: 1fr; content-align: center middle; }
        &.-empty #nothing { display: block; }
        &.-empty .list, &.-empty .detail { display: none; }
    }
    """

    @dataclass
    class Loaded(Message):
        jobs: Sequence[JobRow]
        on: str | None

    @dataclass
    class Looked(Message):
        """What the studio holds of a job."""

        key: str
        events: Sequence[EventRow]
        metrics: Sequence[MetricRow]

    @dataclass
    class Ready(Message):
        """There is a dataset to train on: ask."""

        dataset: Dataset

    @dataclass
    class Steered(Message):
        job: JobRow

    @dataclass
    class Checkpoints(Message):
        rows: Sequence[CheckpointRow]

    @dataclass
    class Disk(Message):
        items: Sequence[DiskItem]

    def __init__(self) -> None:
        super().__init__()
        self.dataset: tuple[Dataset, int] | None = None
        self.shown: str | None = None
        self.events: dict[str, EventRow] = {}
        self.metrics: dict[int, MetricRow] = {}
        self._loaded = False

    def compose_body(self) -> ComposeResult:
        with Vertical(classes="list"):
            yield views.JobHeading()
            yield views.JobList()
        with Vertical(classes="detail"):
            with Vertical(id="job"):
                yield Static("", id="headline")
                yield Static("", id="now")
                yield Static("", id="losses")
                yield LossChart()
                yield Page(id="events")
            yield Page(id="starting")
        yield Static(Content(keyed(NOTHING, self)), id="nothing")

    def on_mount(self) -> None:
        self.query_one(views.JobList).focus()
        self.follower.news.subscribe(self, self._on_news)

    def arrive(self) -> None:
        wanted = self.studio_app.wanted(self.DIGIT)
        if wanted is not None:
            self._ask(wanted)  # type: ignore[arg-type]
        self.work("", self._load, None)

    @property
    def follower(self) -> Follower:
        return follower(self.studio_app)

    @property
    def job(self) -> JobRow | None:
        return self.query_one(views.JobList).current

    # In workers

    async def _load(self, on: str | None) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import jobs

        self.post_message(self.Loaded(await jobs.jobs(studio), on))

    async def _look(self, key: str) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import jobs

        self.post_message(
            self.Looked(key, await jobs.events(studio, key, views.READ), await jobs.metrics(studio, key))
        )

    async def _prepare(self) -> None:
        """The chunks of the AI sender by the studio recipe, for whoever did not come from Chunks."""
        studio = await self.studio_app.studio()
        from engine.archive import people
        from engine.dataset import make, preset

        person = await people.ai(studio)
        if person is None:
            raise StudioError(
                "Nobody is the AI sender yet.", keyed("Press {app.pane-2}, and there {senders.ai}.", self)
            )
        dataset = await make(studio, preset("studio"), person)
        if not dataset.split("train"):
            raise StudioError(
                f"Nothing of {person.name} can be learned.",
                keyed("Press {app.pane-2} and choose somebody else.", self),
            )
        self.post_message(self.Ready(dataset))

    async def _steer(self, job: JobRow, verb: Literal["cancel", "pause", "resume"]) -> None:
        from engine import providers

        studio = await self.studio_app.studio()
        connection = await self.studio_app.connection(job.provider)
        call = {"cancel": providers.cancel, "pause": providers.pause, "resume": providers.resume}[verb]
        self.post_message(self.Steered(await call(studio, connection, job.key)))

    async def _list_checkpoints(self, job: JobRow) -> None:
        from engine import providers

        studio = await self.studio_app.studio()
        connection = await self.studio_app.connection(job.provider)
        self.post_message(self.Checkpoints(await providers.checkpoints(studio, connection, job.key)))

    async def _measure_disk(self) -> None:
        from engine.folders import local_folder
        from engine.providers.local_disk import usage

        self.post_message(self.Disk(await usage(local_folder(self.studio_app.studio_path))))

    # What the workers said

    def on_training_pane_loaded(self, event: Loaded) -> None:
        self._loaded = True
        table = self.query_one(views.JobList)
        table.list(event.jobs, event.on)
        self.set_class(not event.jobs and self.follower.start is None, "-empty")
        if table.current is not None:
            self._look_at(table.current)
        self.refresh_bindings()

    def on_training_pane_looked(self, event: Looked) -> None:
        if event.key == self.shown:
            # What came from the follower meanwhile is newer than what was read.
            self.events = {one.id: one for one in event.events} | self.events
            self.metrics = {one.step: one for one in event.metrics} | self.metrics
            self._draw()

    def on_training_pane_ready(self, event: Ready) -> None:
        self.quiet()
        self._ask(event.dataset)

    def on_training_pane_steered(self, event: Steered) -> None:
        if event.job.status not in FINAL:
            self.follower.follow(event.job)
        self.follower.steered(event.job)

    def on_training_pane_disk(self, event: Disk) -> None:
        self.say(views.disk_line(event.items))

    def on_training_pane_checkpoints(self, event: Checkpoints) -> None:
        if not event.rows:
            self.say("This job has no checkpoint yet.")
            return

        def choose(index: int | None) -> None:
            if index is not None:
                self.studio_app.go(5, checkpoints[index].model)

        checkpoints = sorted(event.rows, key=lambda row: row.step)
        best = views.best(checkpoints)
        rows = [
            (
                f"step {row.step:,}{'  kept: the lowest validation loss' if row is best else ''}",
                f"valid {row.valid_loss:.2f}" if row.valid_loss is not None else "",
            )
            for row in checkpoints
        ]
        at = checkpoints.index(best) if best else len(rows) - 1
        self.app.push_screen(Choose("Chat with which checkpoint?", rows, at), choose)

    def _on_news(self, news: News) -> None:
        """The follower saw something: list, figures, curve and events are drawn from the same news."""
        if news.start is not None:
            self.remove_class("-empty")
            self.set_class(news.start.key is None, "-starting")
            if not news.start.going:
                self.work("", self._load, news.start.key)
            self._show_start()
            self.refresh_bindings()
        if news.update is not None:
            job, table = news.update.job, self.query_one(views.JobList)
            before = next((one for one in table.jobs if one.key == job.key), None)
            if job.key == self.shown:
                self.events |= {event.id: event for event in news.update.events}
                self.metrics |= {metric.step: metric for metric in news.update.metrics}
            if before is not None:
                table.change(job)
            if before is None or before.status != job.status:
                self.refresh_bindings()
            if job.key == self.shown:
                self._draw()

    # Drawing

    def on_line_list_moved(self) -> None:
        if self.job is not None:
            self.remove_class("-starting")
            self._look_at(self.job)
        self.refresh_bindings()

    def on_line_list_opened(self) -> None:
        narrow = self.has_class("-narrow")
        if self.job is not None and self.job.model and not narrow:
            self.action_chat()
        else:
            self.open_detail()

    def _look_at(self, job: JobRow) -> None:
        if job.key != self.shown:
            self.shown, self.events, self.metrics = job.key, {}, {}
        self._draw()
        self.work("", self._look, job.key)

    def _draw(self) -> None:
        job = self.job
        if job is None or job.key != self.shown:
            return
        live = self.follower.live.get(job.key, False)
        trouble = self.follower.trouble.get(job.key)
        events = sorted(self.events.values(), key=lambda event: event.time)
        metrics = [self.metrics[step] for step in sorted(self.metrics)]
        width = self.query_one("#job").size.width or 80
        self.query_one("#headline", Static).update(views.headline(job, width), layout=False)
        said_now = views.now_line(job, events, live, time.time_ns() // 1_000_000)
        self.query_one("#now", Static).update(said_now, layout=False)
        self.query_one("#losses", Static).update(views.losses(metrics), layout=False)
        train = [(metric.step, metric.train_loss) for metric in metrics if metric.train_loss is not None]
        valid = [(metric.step, metric.valid_loss) for metric in metrics if metric.valid_loss is not None]
        # A job that has ended early has no more steps to come: the axis ends where it did.
        steps = 0 if job.status in FINAL else job.steps or 0
        self.query_one(LossChart).show(train, valid, steps)
        said = str(trouble) if trouble else ""
        self.query_one("#events", Page).show(
            lambda width: views.event_lines(job, events, said, width), stay=True
        )

    def _show_start(self) -> None:
        start = self.follower.start
        if start is not None:
            self.query_one("#starting", Page).show(lambda width: views.start_lines(start, width))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        job = self.job
        open_ = job is not None and job.status not in FINAL and not self.has_class("-starting")
        if action == "chat":
            return job is not None and bool(job.model) and not self.has_class("-starting")
        if action == "new":
            return self._loaded and not self.follower.starting
        if action == "cancel":
            return open_ and bool(job and job.id)
        if action == "pause":
            return open_ and bool(job and job.id and job.status in ("running", "queued", "paused"))
        if action == "checkpoints":
            return job is not None and bool(job.id and job.step) and not self.has_class("-starting")
        return super().check_action(action, parameters)

    def action_chat(self) -> None:
        if self.job is not None and self.job.model:
            self.studio_app.go(5, self.job.model)

    def action_new(self) -> None:
        if self.dataset is not None and self.dataset[1] == self.studio_app.edition:
            self._ask(self.dataset[0])
        else:
            self.say("Cutting chunks.")
            self.work("", self._prepare)

    def action_cancel(self) -> None:
        job = self.job

        def choose(index: int | None) -> None:
            if index == 1 and job is not None:
                self.work("", self._steer, job, "cancel")

        if job is not None:
            rows = [("let it go on", ""), ("cancel it", "")]
            question = f"Cancel {views.name_of(job)}? It cannot be taken up again; its checkpoints stay."
            self.app.push_screen(Choose(question, rows), choose)

    def action_pause(self) -> None:
        if self.job is not None:
            self.work("", self._steer, self.job, "resume" if self.job.status == "paused" else "pause")

    def action_checkpoints(self) -> None:
        if self.job is not None:
            self.work("", self._list_checkpoints, self.job)

    def action_disk(self) -> None:
        self.work("", self._measure_disk)

    def _ask(self, dataset: Dataset) -> None:
        self.dataset = (dataset, self.studio_app.edition)

        def agreed(answer: Agreed | None) -> None:
            if answer is not None:
                self.follower.begin(*answer)
                self.remove_class("-empty")
                self.add_class("-starting")
                self._show_start()
                self.open_detail()
                self.refresh_bindings()

        self.app.push_screen(Confirm(dataset), agreed)
