"""The whole line of work on the bundled samples: import, pick, chunk, train, follow, chat."""

from __future__ import annotations

import time
from pathlib import Path

from engine import samples
from engine.archive import Studio, open_studio, people
from engine.chat import ChatSettings, stream
from engine.cli.chunking import summary
from engine.cli.output import emit, number, say
from engine.dataset import make, preset
from engine.errors import StudioError
from engine.folders import local_folder
from engine.importers import ImportReport
from engine.importers.finding import recognise_all
from engine.importing import begin, finish
from engine.providers import Connection, TrainSettings, connect, follow, provider, train
from engine.safe_text import harmless

PROMPT = "are you coming down to the boat tonight?"


async def load_samples(path: Path) -> ImportReport:
    """Import both sample exports into the studio at `path`; the two reports added up."""
    total = ImportReport()
    async with await open_studio(path) as studio:
        for export in recognise_all([samples.messenger(), samples.imessage()]).exports:
            report = (await finish(studio, await begin(export), owner=samples.OWNER)).report
            total.add(report)
    return total


async def run(path: Path, *, as_json: bool) -> int:
    """The main job without a screen; prints what each step gave. Exit code."""
    began = time.monotonic()

    def step(name: str, text: str, **figures: object) -> None:
        if as_json:
            emit({"step": name, **figures})
        else:
            say(f"{name:<8} {text}")

    report = await load_samples(path)
    step(
        "import",
        f"{number(report.rows_read)} rows read, {number(report.kinds['speech'])} text messages "
        f"in {number(report.conversations)} conversations",
        rows_read=report.rows_read,
        messages=report.kinds["speech"],
        conversations=report.conversations,
    )
    async with await open_studio(path) as studio:
        person = await people.find_person(studio, samples.OWNER)
        await people.set_ai(studio, person.id)
        step("pick", f"{person.name} is the AI sender, {number(person.messages)} messages", ai=person.name)
        dataset = await make(studio, preset("studio"), person)
        step("chunk", summary(dataset), dataset=dataset.id, chunks=len(dataset.chunks))
        async with await connect(provider("local"), local_folder(path)) as connection:
            settings = TrainSettings(base_model="imitation", suffix="demo", seed=1)
            key = None
            async for stage in train(studio, connection, dataset, settings):
                key = stage.job.key if stage.job else key
            if key is None:
                raise StudioError(
                    "The local provider made no job.", "Try `understudy local stop`, then again."
                )
            model, system = await _followed(studio, connection, key, step)
            await _chat(connection, model, system, as_json)
    if not as_json:
        say(
            f"done     in {time.monotonic() - began:.1f} s, offline. "
            "In a terminal, `understudy demo` opens the screen."
        )
    return 0


async def _followed(studio: Studio, connection: Connection, key: str, step: object) -> tuple[str, str]:
    """Follow the job to its end, printing a few of its steps; its model and system prompt."""
    assert callable(step)
    shown = 0
    losses: list[float] = []
    job = None
    async for update in follow(studio, connection, key):
        job = update.job
        losses += [metric.valid_loss for metric in update.metrics if metric.valid_loss is not None]
        for metric in update.metrics:
            due = job.steps is None or metric.step >= shown + job.steps / 8 or metric.step in (1, job.steps)
            if metric.train_loss is not None and due:
                shown = metric.step
                step(
                    "train",
                    f"step {metric.step}/{job.steps}, loss {metric.train_loss:.2f}",
                    at=metric.step,
                    steps=job.steps,
                    train_loss=metric.train_loss,
                    valid_loss=metric.valid_loss,
                )
        for event in update.events:
            if event.type == "message" and event.message.startswith(("Stopped", "Epoch")):
                step("note", event.message, note=event.message)
    if job is None or job.status != "succeeded" or job.model is None:
        raise StudioError(
            f"The training {job.status if job else 'ended'}: {(job and job.error) or 'no reason given'}.",
            "Run the demo again; `understudy jobs` shows more.",
        )
    # The local provider keeps the state that validated best.
    loss = f", validation loss {min(losses):.2f}" if losses else ""
    step("model", f"{job.model}{loss}", model=job.model, valid_loss=min(losses, default=None))
    return job.model, job.system


async def _chat(connection: Connection, model: str, system: str, as_json: bool) -> None:
    settings = ChatSettings(model=model, system=system, seed=3)
    if not as_json:
        say(f"you      {PROMPT}")
        print("reply    ", end="", flush=True)
    text = ""
    async for piece in stream(connection, settings, [("user", PROMPT)]):
        text += piece.text
        if not as_json:
            print(harmless(piece.text).replace("\n", "\n         "), end="", flush=True)
    if as_json:
        emit({"step": "chat", "prompt": PROMPT, "reply": text})
    else:
        print(flush=True)
