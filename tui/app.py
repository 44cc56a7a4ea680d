"""The app: panes, keys, the studio and what the panes share. `tui/pane.py` says how a pane is made."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from textual import events
from textual.app import ScreenStackError
from textual.filter import Monochrome
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.timer import Timer

from engine import config
from tui import keymap, last_pane, terminal
from tui.actions import bindings
from tui.driver import TerminalDriver
from tui.keyboard import InOrder, Typed
from tui.painting import PaintingApp
from tui.pane import Pane
from tui.plain import Plain
from tui.safe_text import safe_line, safe_text
from tui.screens.small import Small, too_small
from tui.status import Status
from tui.themes import DARK, FALLBACK, LIGHT, NAMES, Dim, NoColour, textual_name

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.providers.connection import Connection

T = TypeVar("T")

CLOSING = 2.0
"""Seconds that closing the studio may take at the end."""


class Entry(NamedTuple):
    """A pane in the table: the digit that opens it, its title, and where its class is."""

    digit: int
    title: str
    module: str
    name: str


PANES = (
    Entry(1, "Conversations", "tui.screens.conversations", "ConversationsPane"),
    Entry(2, "Senders", "tui.screens.senders", "SendersPane"),
    Entry(3, "Chunks", "tui.screens.chunks", "ChunksPane"),
    Entry(4, "Training", "tui.screens.training", "TrainingPane"),
    Entry(5, "Chat", "tui.screens.chat", "ChatPane"),
)


class UnderstudyApp(PaintingApp, inherit_bindings=False):
    """The studio's screen. `studio_path` is opened, or made, after the first paint.

    demo: the studio is a throw-away one, and the line on top says so. loaded: the settings.
    return_code after `run`: 0, 128 + n after signal n, 1 after a bug (a crash log was written).
    """

    TITLE = "Understudy"
    CSS = """
    Screen { background: $background; color: $foreground; }
    ModalScreen { background: $background 60%; align: center middle; &:ansi { background: transparent; } }
    ModalScreen > #sheet {
        width: 72;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        background: $panel;
        padding: 1 2;
        &:ansi { border: solid $rule; padding: 0 1; }
    }
    #sheet Lines { scrollbar-background: $panel; &:ansi { scrollbar-background: $background; } }
    .-plain ModalScreen { background: $background; &:ansi { background: $background; } }
    ModalScreen.-narrow > #sheet { width: 100%; }
    Toast { background: $panel; border: none; padding: 0 1; }
    """
    BINDINGS = bindings("app")
    DEFAULT_MODE = "1"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (100, "-two"),
        (140, "-three"),
    ]

    def __init__(self, studio_path: Path, demo: bool = False, loaded: config.Loaded | None = None) -> None:
        left = 1 if demo else last_pane.load(studio_path)
        if any(pane.digit == left for pane in PANES):
            self.DEFAULT_MODE = str(left)  # type: ignore[misc]
        super().__init__(driver_class=TerminalDriver)
        self.studio_path, self.demo = studio_path, demo
        self.loaded = loaded or config.Loaded()
        self.settings = self.loaded.settings
        self.boxes, self.slow = self.settings.boxes, terminal.slow(self.settings)
        if not self.boxes:
            self.add_class("-plain")
            self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow")]
            self._filters.append(Plain())
        self.moved, self._key_problems = keymap.read(self.loaded)
        self.set_keymap(keymap.for_textual(self.moved))
        self.status = Status(self, tuple((pane.digit, pane.title) for pane in PANES), "demo" if demo else "")
        self._studio: Studio | None = None
        self._connections: dict[str, Connection] = {}
        self._opening = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._wanted: dict[int, object] = {}
        self._in_any_case: set[asyncio.Task[Any]] = set()
        self.edition = 0
        self._held: Timer | None = None
        self._going = False
        self._interrupted = 0.0
        self._painted_size = Size(0, 0)
        self._typed = InOrder(self, self._take, self._takes_keys)
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self._dim = Dim()
        self._filters.insert(0, self._dim)
        self.theme_name: str = self.settings.theme
        self._wear("ansi" if self.no_color else self.theme_name)
        if self.no_color:
            self._filters = [one for one in self._filters if not isinstance(one, Monochrome)]
            self._filters.insert(1, NoColour())
        self.stylesheet.set_variables(self.get_css_variables())
        if self.slow:
            self.status.publish("line", "ssh" if os.environ.get("SSH_CONNECTION") else "slow line")
        for pane in PANES:
            self.add_mode(str(pane.digit), partial(_make, pane))

    # What panes need

    async def studio(self) -> Studio:
        """The open studio. StudioError where the file cannot be one."""
        async with self._opening:
            if self._studio is None:
                from engine.archive import open_studio  # after the first paint

                self._studio = await open_studio(self.studio_path)
        return self._studio

    @property
    def is_open(self) -> bool:
        return self._studio is not None

    async def connection(self, name: str = "local") -> Connection:
        """A connection to a provider, kept until the end. StudioError where it cannot be made."""
        from engine.folders import local_folder
        from engine.providers.connection import connect
        from engine.providers.presets import provider

        async with self._connecting:
            if name not in self._connections:
                self._connections[name] = await connect(provider(name), local_folder(self.studio_path))
        return self._connections[name]

    def in_any_case(self, what: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do it, also where the studio is left meanwhile; what it raises is the caller's to look at."""
        task = asyncio.create_task(what)
        self._in_any_case.add(task)
        task.add_done_callback(self._in_any_case.discard)
        return task

    def touched(self, by: Pane | None = None) -> None:
        """The archive changed (an import, joined senders, another AI sender): panes that compare
        `edition` with the one they loaded read again when they are shown, and one that is shown does so
        at once. by: the pane that reads again by itself."""
        self.edition += 1
        shown = self.screen
        if isinstance(shown, Pane) and shown is not by and shown.is_mounted:
            shown.arrive()

    def go(self, digit: int, wanted: object = None) -> None:
        """Show pane `digit`; its `arrive` finds `wanted` with `self.studio_app.wanted(digit)`."""
        if wanted is not None:
            self._wanted[digit] = wanted
        if self.current_mode == str(digit) and isinstance(self.screen, Pane) and self.screen.is_mounted:
            self.screen.arrive()  # else it does so by itself, once it is there
        self._show(digit)

    def _show(self, digit: int) -> None:
        self.switch_mode(str(digit))
        if not self.demo:
            last_pane.save(self.studio_path, digit)

    def wanted(self, digit: int) -> object:
        """What another pane asked pane `digit` to show, once."""
        return self._wanted.pop(digit, None)

    def clear_selection(self) -> None:
        # From Python 3.12 on a pane's fields are made before the pane is on the screen, and say so here.
        with suppress(ScreenStackError):
            super().clear_selection()

    def copy_to_clipboard(self, text: str) -> None:
        # A lone surrogate, of a broken export or a model, cannot be encoded.
        super().copy_to_clipboard(text.encode("utf-8", "replace").decode())

    def copy(self, text: str) -> None:
        """Send `text` to the terminal's clipboard, and say so: no terminal answers whether it took it."""
        if text:
            self.copy_to_clipboard(text)
        self._say("Sent to the terminal's clipboard." if text else "There is no text here to copy.")

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A notification. Whatever asks for it, the text is made safe and never read as markup."""
        super().notify(
            safe_text(message), title=safe_line(title), severity=severity, timeout=timeout, markup=False
        )

    # Keys

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.Key, events.Paste)) and not event.is_forwarded:
            await self._typed.add(event)
        else:
            await super().on_event(event)

    def _takes_keys(self) -> bool:
        return not self._screen_stacks[self.current_mode] or self.screen.is_mounted

    async def _take(self, event: Typed) -> None:
        if isinstance(event, events.Key):
            if isinstance(self.screen, Pane):
                self.screen.quiet()
            if self._going:
                self._going = False
                if event.key.isdecimal():
                    await self.run_action(f"pane({event.key})")
                    return
        await super().on_event(event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if isinstance(self.screen, Small):
            return action in ("quit", "interrupt", "suspend")
        if action == "pane":
            known = any(pane.digit == parameters[0] for pane in PANES)
            return known and isinstance(self.screen, Pane)
        return True

    def action_pane(self, digit: int) -> None:
        if isinstance(self.screen, Pane):
            self._show(digit)

    def action_go(self) -> None:
        if isinstance(self.screen, Pane):
            self._going = True
            digits = ", ".join(f"{pane.digit} {pane.title}" for pane in PANES)
            self.screen.say("Go to:", digits)

    def action_help(self) -> None:
        from tui.screens.help import Help

        self.push_screen(Help(self.screen))

    async def action_quit(self) -> None:
        """An import that goes on would be lost, or a training not begun: that is asked."""
        from tui.screens.quitting import quitting

        def answered(index: int | None) -> None:
            if index == 1:
                self.exit()

        sheet = quitting(self)
        if sheet is None:
            self.exit()
        else:
            self.push_screen(sheet, answered)

    def action_command_palette(self) -> None:
        from tui.screens.palette import Palette

        if not isinstance(self.screen, (ModalScreen, Small)):
            self.push_screen(Palette(self.screen))

    def action_next_theme(self) -> None:
        if self.no_color:
            self._say("NO_COLOR is set:", "there are no colours to choose from.")
            return
        self.theme_name = NAMES[(NAMES.index(self.theme_name) + 1) % len(NAMES)]
        self._wear(self.theme_name)
        config.remember_theme(self.theme_name, self.loaded)

    def _wear(self, theme: str) -> None:
        self.theme = textual_name(theme)
        self._dim.enabled = theme == "ansi"

    def action_mouse(self) -> None:
        driver = self._driver
        if not isinstance(driver, TerminalDriver):
            return
        driver.take_mouse(not driver.mouse)
        self._say(
            "The mouse is the studio's again."
            if driver.mouse
            else keymap.keyed("The mouse is the terminal's: select with it. {app.mouse} takes it back.", self)
        )

    def action_redraw(self) -> None:
        self.forget_shown()
        self.screen.refresh()

    def action_suspend(self) -> None:
        if os.getsid(0) == os.getpid():
            self._say("There is no shell to go back to.")
        elif isinstance(self._driver, TerminalDriver):
            self._driver.stop()

    def _say(self, message: str, hint: str = "") -> None:
        if isinstance(self.screen, Pane):
            self.screen.say(message, hint)
        else:
            self.notify(f"{message} {hint}".rstrip(), markup=False)

    def action_interrupt(self) -> None:
        selected = self.screen.get_selected_text()
        if selected:
            self.copy(selected)
        elif monotonic() - self._interrupted < 2:
            self.exit()
        else:
            self._interrupted = monotonic()
            self._say(keymap.keyed("{app.interrupt} again, or {app.quit}, leaves the studio.", self))

    def delay_update(self, delay: float = 0.05) -> None:
        """As in App, which holds the screen back while panes change; but painted once, not twice."""
        if self._held is None:
            self._begin_batch()
        else:
            self._held.stop()
        self._held = self.set_timer(delay, self.update_now)

    def update_now(self) -> None:
        """What was held back is painted."""
        if self._held is None:
            return
        self._held.stop()
        self._held = None
        self._end_batch()
        if isinstance(self.screen, Pane):
            self.screen.fresh = False
        self.screen.refresh()

    @property
    def holding(self) -> bool:
        return self._held is not None

    # The first paint

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return FALLBACK

    def refresh_css(self, animate: bool = True) -> None:
        """As in App, which would parse every style anew for the first theme, and again for the first pane."""
        if self._is_mounted:
            super().refresh_css(animate)

    def on_mount(self) -> None:
        self.call_after_refresh(_collect_garbage)
        self.call_after_refresh(self._take_up_jobs)
        self.call_after_refresh(self._tell_problems)
        self.app_resume_signal.subscribe(self, self._resumed)

    def _resumed(self, _: object) -> None:
        """Whoever had the terminal meanwhile has drawn on it."""
        self.action_redraw()

    def on_resize(self, event: events.Resize) -> None:
        # Some terminals tell their size unasked. Where it is another, they have cut or moved what they show.
        if event.size != self._painted_size:
            self._painted_size = event.size
            self.forget_shown()
        if too_small(event.size) and not isinstance(self.screen, Small):
            self.push_screen(Small())

    def _tell_problems(self) -> None:
        """What in the settings does not count."""
        problems = [*self.loaded.problems, *self._key_problems]
        if problems:
            more = f"({len(problems) - 1} more: `understudy config` lists them.)" if problems[1:] else ""
            self._say(str(problems[0]), more)

    def _take_up_jobs(self) -> None:
        """A training went on while no screen was there: the line on top shows it again."""
        from tui.following import follower

        follower(self).take_up()

    async def on_unmount(self) -> None:
        if self._in_any_case:
            await asyncio.wait(self._in_any_case, timeout=CLOSING)
        for connection in self._connections.values():
            await connection.aclose()
        if self._studio is not None:
            # A write may wait for another program's; whoever quits does not.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._studio.close(), CLOSING)


def _collect_garbage() -> None:
    """From the first paint on, and never among the modules: they stay, and to walk them takes a tenth of
    a second."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _make(pane: Entry) -> Screen[Any]:
    made: Screen[Any] = getattr(import_module(pane.module), pane.name)()
    return made
