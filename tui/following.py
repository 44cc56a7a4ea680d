"""Where training jobs are started and followed: one place for the app, whatever pane is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from textual.signal import Signal

from engine.errors import StudioError

if TYPE_CHECKING:
    from engine.archive.rows import JobRow
    from engine.dataset import Dataset
    from engine.providers import JobUpdate, Stage, TrainSettings
    from tui.app import UnderstudyApp

SHORT = 10
"""Letters of a job's name in the line on top where there is little room."""

PACE = 0.34
"""Seconds between two pieces of news of a job, at least."""


@dataclass
class Start:
    """A job in the making. error: why there is none; it stays until the next start."""

    ai: str
    provider: str
    stages: list[Stage] = field(default_factory=list)
    error: StudioError | None = None
    key: str | None = None

    @property
    def going(self) -> bool:
        return self.key is None and self.error is None


@dataclass(frozen=True)
class News:
    """update: what was seen of a job. start: a job in the making came further."""

    update: JobUpdate | None = None
    start: Start | None = None


class Follower:
    """Publishes News on `news`, in the app's event loop, and says the state in the line on top.

    live: the keys of the jobs that are followed now -> whether their provider answers.
    trouble: why a job could not be followed any further.
    """

    def __init__(self, app: UnderstudyApp) -> None:
        self.app = app
        self.news: Signal[News] = Signal(app, "jobs")
        self.live: dict[str, bool] = {}
        self.trouble: dict[str, StudioError] = {}
        self.start: Start | None = None
        self._taken_up = False
        self._held: dict[str, JobUpdate] = {}
        self._told: dict[str, tuple[float, str]] = {}
        self._done = ""

    @property
    def starting(self) -> bool:
        """A job is in the making."""
        return self.start is not None and self.start.going

    def take_up(self) -> None:
        """Follow every job of the studio that has not ended, once in the life of the app."""
        if not self._taken_up:
            self._taken_up = True
            self.app.run_worker(self._take_up(), group="jobs")

    def begin(self, dataset: Dataset, provider: str, settings: TrainSettings) -> None:
        """Start a job, which a person has agreed to, and follow it."""
        self.start = Start(dataset.ai, provider)
        self.app.run_worker(self._begin(self.start, dataset, settings), group="jobs")

    def follow(self, job: JobRow) -> None:
        """Follow a job to its end; nothing where that is done already."""
        if job.key not in self.live:
            self.live[job.key] = False
            self.trouble.pop(job.key, None)
            self.app.run_worker(self._follow(job), group="jobs")

    def steered(self, job: JobRow) -> None:
        """A job was paused, resumed or cancelled here: everybody hears it at once."""
        from engine.providers import JobUpdate

        self._tell(JobUpdate(job, live=self.live.get(job.key) or job.key not in self._told))

    async def _take_up(self) -> None:
        from engine.archive import jobs

        try:
            known = await jobs.jobs(await self.app.studio())
        except StudioError:
            return  # every pane says by itself that the studio cannot be opened
        if not known:
            return  # the room of providers takes a while to load

        from engine.providers import FINAL

        for job in known:
            if job.status not in FINAL:
                self.follow(job)

    async def _begin(self, start: Start, dataset: Dataset, settings: TrainSettings) -> None:
        from engine.providers import train

        job: JobRow | None = None
        try:
            studio = await self.app.studio()
            connection = await self.app.connection(start.provider)
            async for stage in train(studio, connection, dataset, settings):
                start.stages.append(stage)
                job = stage.job or job
                self.news.publish(News(start=start))
        except StudioError as error:
            start.error = error
        else:
            assert job is not None  # the last stage has it
            start.key = job.key
            self.follow(job)
        self.news.publish(News(start=start))

    async def _follow(self, job: JobRow) -> None:
        from engine.providers import JobUpdate, follow

        try:
            studio = await self.app.studio()
            connection = await self.app.connection(job.provider)
            if job.base_url and job.base_url != connection.provider.base_url:
                raise StudioError(
                    "This job is at another address than base_url in the settings.",
                    f"Start Understudy with UNDERSTUDY_BASE_URL={job.base_url} to follow it.",
                )
            async for update in follow(studio, connection, job.key):
                job = update.job
                self.live[job.key] = update.live
                self._tell(update)
        except StudioError as error:
            self.trouble[job.key] = error
            self.live[job.key] = False
            self._tell(JobUpdate(job, live=False))
        finally:
            self.live.pop(job.key, None)

    def _tell(self, update: JobUpdate) -> None:
        """Steps come faster than anybody reads: they wait for each other, another state does not."""
        job, held = update.job, self._held.get(update.job.key)
        if held is not None:
            update = type(update)(
                job, held.events + update.events, held.metrics + update.metrics, update.live
            )
        at, status = self._told.get(job.key, (0.0, ""))
        wait = at + PACE - monotonic()
        self._held[job.key] = update
        if wait <= 0 or status != f"{job.status} {update.live}":
            self._publish(job.key)
        elif held is None:
            self.app.set_timer(wait, lambda: self._publish(job.key))

    def _publish(self, key: str) -> None:
        """The line on top and the panes hear the same, at the same moment."""
        update = self._held.pop(key, None)
        if update is None:
            return
        job = update.job
        self._told[key] = (monotonic(), f"{job.status} {update.live}")
        word = state_word(job, update.live)
        if word == "DONE":
            # Of the jobs that have ended only the last is worth the line.
            self.app.status.publish(f"job {self._done}", "")
            self._done = key
        elif key == self._done:
            self._done = ""
        state, *shorter = top_lines(job, word)
        self.app.status.publish(f"job {key}", state, urgency=0 if word == "DONE" else 1, shorter=shorter)
        self.news.publish(News(update))


def follower(app: UnderstudyApp) -> Follower:
    """The app's one follower."""
    if app not in _followers:
        _followers[app] = Follower(app)
    return _followers[app]


_followers: WeakKeyDictionary[UnderstudyApp, Follower] = WeakKeyDictionary()


def state_word(job: JobRow, live: bool) -> str:
    """What one is looking at: LIVE, PAUSED, STALE (the provider does not answer, or is not asked) or DONE."""
    if job.status in ("succeeded", "failed", "cancelled", "refused"):
        return "DONE"
    if not live:
        return "STALE"
    return "PAUSED" if job.status == "paused" else "LIVE"


def top_lines(job: JobRow, word: str) -> list[str]:
    """`job slow-and-steady · step 120/300 · loss 1.84 · LIVE`, and three ways to say it in less room."""
    name = job.suffix or (job.id or job.key)[-8:]
    short = name if len(name) <= SHORT else name[: SHORT - 1] + "…"
    loss: list[str] = []
    if word == "DONE":
        at = [] if job.status == "succeeded" else [job.status]
    elif job.step is None:
        at = [] if word == "PAUSED" else [job.status.replace("_", " ")]
    else:
        at = [f"step {job.step:,}/{job.steps:,}" if job.steps else f"step {job.step:,}"]
        loss = [f"loss {job.train_loss:.2f}"] if job.train_loss is not None else []
    ways = (
        [f"job {name}", *at, *loss, word],
        [f"job {short}", *at, *loss, word],
        [f"job {short}", *at, word],
        [*at, word],
    )
    return [" · ".join(way) for way in ways]
