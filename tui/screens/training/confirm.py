"""The page before anything is sent: what goes where, whose words, what it costs. One key agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message

from engine.errors import StudioError
from tui.actions import bindings
from tui.keymap import keyed
from tui.safe_text import safe_line
from tui.widgets.ask import Ask
from tui.widgets.cells import number, plural, wrap
from tui.widgets.choose import Choose
from tui.widgets.key_line import KeyLine
from tui.widgets.page import Page
from tui.widgets.sheet import Sheet
from tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from engine.dataset import Dataset
    from engine.providers import Plan, Provider, TrainSettings
    from engine.providers.base_models import Base
    from tui.app import UnderstudyApp

NAMES = 14

WHAT = {
    "imitation": "learns phrasing in seconds, does not understand",
    "nearest": "answers with the most similar real reply: the baseline",
}
"""The base models of this machine, in a few words."""

OTHER = "Which open chat model? Its id on the hub, owner/name, or the folder that holds it."


class Agreed(NamedTuple):
    """What a person agreed to."""

    dataset: Dataset
    provider: str
    settings: TrainSettings


class Confirm(Sheet[Agreed | None], inherit_bindings=False):
    """Dismisses with what was agreed to, or None. Nothing is asked of any provider here."""

    BINDINGS = bindings("confirm")
    DEFAULT_CSS = """
    Confirm { layout: vertical; }
    Confirm Page { padding: 1 2; }
    """

    @dataclass
    class Models(Message):
        """The models of a provider that has no list of its own in the program, or why there is none."""

        names: Sequence[str] = ()
        error: StudioError | None = None

    @dataclass
    class Open(Message):
        """The open models that can be trained on this machine, and the one that suits it best."""

        models: Sequence[Base]
        best: Base | None

    @dataclass
    class Known(Message):
        """What is known of the open model that was named, or why it is none."""

        base: Base | None = None
        error: StudioError | None = None

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        from engine.providers import providers

        self.dataset = dataset
        usable = {one.name: one for one in providers() if "jobs" in one.calls}
        self.provider = usable.get(self._app.settings.provider, usable["local"])
        self.base_model = next(iter(self.provider.base_models), "")
        self.base: Base | None = None
        self.problem: StudioError | None = None

    def compose(self) -> ComposeResult:
        yield TopLine(self._app.status, 4)
        yield Page()
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(Page).focus()
        self._show()

    @property
    def _app(self) -> UnderstudyApp:
        return self.app  # type: ignore[return-value]

    def _settings(self) -> TrainSettings:
        from engine.providers import TrainSettings

        return TrainSettings(base_model=self.base_model)

    def _show(self) -> None:
        from engine.providers import plan

        made = plan(self.dataset, self.provider, self._settings(), self.base) if self.base_model else None
        kept = len(self.dataset.split("test"))
        keys = [keyed(key, self) for key in ("{confirm.agree}", "{confirm.leave}", "{confirm.base}")]
        self.query_one(Page).show(
            lambda width: plan_lines(self.dataset, self.provider, made, kept, self.problem, width, keys)
        )
        self.refresh_bindings()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "agree":
            return bool(self.base_model)
        return True

    def action_agree(self) -> None:
        from engine.providers.base_models import check

        if self.base is not None:
            try:
                check(self.base)
            except StudioError as error:
                self.problem = error
                self._show()
                return
        self.dismiss(Agreed(self.dataset, self.provider.name, self._settings()))

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_provider(self) -> None:
        usable, missing = usable_providers()
        names = [one.name for one in usable]

        def choose(index: int | None) -> None:
            if index is not None:
                self.provider = usable[index]
                self._take(self.provider.base_models[0] if self.provider.base_models else "")

        rows = [
            (f"{one.name}: {'stays on this machine' if one.stays_here else 'goes to ' + one.host}", "")
            for one in usable
        ]
        question = "Train where?" + (f"\n{' '.join(missing)}" if missing else "")
        self.app.push_screen(Choose(question, rows, names.index(self.provider.name)), choose)

    def action_base(self) -> None:
        if self.provider.stays_here:
            self.run_worker(self._list_open(), group="models", exclusive=True)
        elif self.provider.base_models:
            self._choose_base(self.provider.base_models)
        else:
            self.run_worker(self._list(self.provider.name), group="models", exclusive=True)

    async def _list_open(self) -> None:
        from engine.archive import jobs
        from engine.folders import local_folder
        from engine.providers.base_models import is_open_model, listed, suits

        rows = await jobs.jobs(await self._app.studio())
        used = [row.base_model for row in rows if row.provider == "local" and is_open_model(row.base_model)]
        found = await asyncio.to_thread(listed, local_folder(self._app.studio_path), used)
        self.post_message(self.Open(found, suits(found)))

    async def _look_at(self, model: str) -> None:
        from engine.folders import local_folder
        from engine.providers.base_models import base_model

        try:
            found = await asyncio.to_thread(base_model, model, local_folder(self._app.studio_path))
        except StudioError as error:
            self.post_message(self.Known(error=error))
        else:
            self.post_message(self.Known(found))

    async def _list(self, name: str) -> None:
        """Asks the provider for its models; no message of anybody is in that question."""
        from engine.providers import models

        try:
            found = await models(await self._app.connection(name))
        except StudioError as error:
            self.post_message(self.Models(error=error))
        else:
            self.post_message(self.Models([model.id for model in found if not model.fine_tuned]))

    def on_confirm_models(self, event: Models) -> None:
        self.problem = event.error
        if not event.names and event.error is None:
            self.problem = StudioError(f"{self.provider.host} lists no model.", "Choose another provider.")
        self._show()
        if event.names:
            self._choose_base(event.names)

    def on_confirm_open(self, event: Open) -> None:
        built_in = list(self.provider.base_models)
        names = [*built_in, *(base.id for base in event.models)]
        rows = [(f"{name}: {WHAT[name]}" if name in WHAT else name, "") for name in built_in]
        rows += [open_row(base, event.best) for base in event.models]

        def choose(index: int | None) -> None:
            if index is None:
                return
            if index < len(built_in):
                self._take(names[index])
            elif index < len(names):
                self._take(names[index], event.models[index - len(built_in)])
            else:
                self.app.push_screen(Ask(OTHER, does="look at it", one_line=True), named)

        def named(text: str | None) -> None:
            from engine.providers.base_models import as_named

            if text and text.strip():
                self.run_worker(self._look_at(as_named(text.strip())), group="models", exclusive=True)

        at = names.index(self.base_model) if self.base_model in names else 0
        rows.append(("another: its id on the hub, or a folder", ""))
        self.app.push_screen(Choose(open_question(event.models), rows, at), choose)

    def on_confirm_known(self, event: Known) -> None:
        if event.base is not None:
            self._take(event.base.id, event.base)
        else:
            self.problem = event.error
            self._show()

    def _choose_base(self, names: Sequence[str]) -> None:
        def choose(index: int | None) -> None:
            if index is not None:
                self._take(names[index])

        at = names.index(self.base_model) if self.base_model in names else 0
        self.app.push_screen(Choose("Train which base model?", [(name, "") for name in names], at), choose)

    def _take(self, model: str, base: Base | None = None) -> None:
        self.base_model, self.base, self.problem = model, base, None
        self._show()


def open_question(models: Sequence[Base]) -> str:
    said = "Train which base model?\nOpen ones: memory to train, and what has to be loaded first."
    needs = next((base.needs for base in models if base.needs), "")
    return f"{said}\nThey need more: {needs}" if needs else said


def open_row(base: Base, best: Base | None) -> tuple[str, str]:
    """An open model in a list: its name, and at the right what it asks of this machine."""
    from engine.providers.plan import size

    memory = base.memory()
    takes = size(memory) if memory else "size unknown"
    if base.folder is not None:
        end = f"{takes}, is here"
    else:
        end = f"{takes}, loads {size(base.download)}" if base.download else f"{takes}, to load"
    return f"{base.id} (suits)" if base is best else base.id, end


def usable_providers() -> tuple[list[Provider], list[str]]:
    """Those that train and whose key is there, and a sentence about each whose key is not."""
    from engine.providers import providers
    from engine.providers.presets import key_of

    usable, missing = [], []
    for one in providers():
        if "jobs" not in one.calls:
            continue
        try:
            key_of(one)
        except StudioError as error:
            missing.append(error.message)
        else:
            usable.append(one)
    return usable, missing


def plan_lines(
    dataset: Dataset,
    provider: Provider,
    plan: Plan | None,
    kept: int,
    problem: StudioError | None,
    width: int,
    keys: Sequence[str],
) -> list[Content]:
    """The page in lines. keys: to agree, to leave, to list the base models."""
    room = max(20, min(width, 96) - NAMES)
    where = (
        "stays on this machine" if provider.stays_here else f"leaves this machine, goes to {provider.host}"
    )
    strong = "" if provider.stays_here else "bold"
    lines = [
        Content.assemble(("Train a model on ", "$muted"), (f"{safe_line(dataset.ai, 60)}’s lines", "bold")),
        Content(""),
    ]

    def row(name: str, text: str, style: str = "") -> None:
        for at, part in enumerate(wrap(safe_line(text), room)):
            lines.append(Content.assemble((f"{name if at == 0 else '':<{NAMES}}", "$muted"), (part, style)))

    row("everything", where, "bold")
    row("provider", provider.name)
    if plan is None:
        row("base model", f"none chosen yet: {keys[2]} lists what the provider has")
    else:
        what = WHAT.get(plan.base_model, "") if provider.stays_here else ""
        row("base model", f"{plan.base_model}{what and ': '}{what}")
    lines.append(Content(""))
    if plan is not None:
        sent = f"{plural(plan.examples, 'chunk')} to train on"
        sent += f", {number(plan.validation)} to validate with" if plan.validation else ""
        row("what goes", sent, strong)
        row(
            "what stays",
            f"{plural(kept, 'chunk')} kept for the test" if kept else "nothing is kept for a test",
        )
        row("whose words", f"{plural(plan.people, 'person', 'people')}, {dataset.ai} among them", strong)
        again = f", {plural(plan.epochs, 'time')} through" if plan.epochs else ""
        row("tokens", f"{number(plan.tokens)}{again}")
        row("price", plan.price)
        for name, words in plan.needs:
            row(name, words, "bold" if name == "needs" else "")
        for place, note in enumerate(plan.notes):
            row("afterwards" if place == 0 else "", note)
        if plan.warnings:
            lines.append(Content(""))
        for place, warning in enumerate(plan.warnings):
            row("mind" if place == 0 else "", warning, "bold")
    if problem is not None:
        lines.append(Content(""))
        row("", str(problem), "bold")
    lines.append(Content(""))
    if plan is not None:
        leave = ((keys[1], "bold $foreground"), "  leave, nothing is sent")
        if any(name == "needs" for name, _ in plan.needs):
            lines.append(Content.assemble(*leave))
        else:
            send = "" if provider.stays_here else f": send it to {safe_line(provider.host)}"
            agree = (keys[0], "bold $foreground"), f"  agree and start{send}      "
            lines.append(Content.assemble(*agree, *leave))
    return lines
