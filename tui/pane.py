"""What every pane is: a screen with the line on top, its content and the line of keys.

How a pane is made
------------------
1. Write `tui/screens/<name>/__init__.py` with a subclass of `Pane`, add it to `PANES` in `tui/app.py`
   and its digit to "app" in `tui/actions.py`. Set `DIGIT`, and

       BINDINGS = bindings("training")          # the keys of every pane come by inheritance

   after adding the group "training" to the table in `tui/actions.py`; each row's action is a
   method `action_...` of the pane. Rows with a label appear in the line of keys by themselves;
   `check_action` returning False hides one that does not apply (call `refresh_bindings()` after a
   change). Styles go into `DEFAULT_CSS`; colours are `$accent` (the AI sender only), `$muted`,
   `$faint`, `$rule`, `$bar`, `$hit`, `$error`.
2. `compose_body` yields a container of class `list` and one of class `detail`: from 100 columns they
   stand side by side, below that one at a time (`self.open_detail()`, esc goes back). Breakpoint
   classes on the screen: `-narrow`, `-two` (100), `-three` (140).
   Lists subclass `tui.widgets.line_list.LineList` (draw one row as `Content`); conversations are
   `tui.widgets.transcript.Transcript`; typing is `tui.widgets.field.Field` (give it the class
   "field" so that `back` does not focus it). Questions with several answers:
   `self.app.push_screen(Choose(title, rows), callback)` from `tui.widgets.choose`.
3. `arrive` is called after each time the pane was drawn. Load there, in a worker:

       def arrive(self) -> None:
           self.work("load", self._load)

       async def _load(self) -> None:
           studio = await self.studio_app.studio()
           self.post_message(self.Loaded(await jobs.jobs(studio)))   # engine imports go in here

   The worker posts messages; only `on_...` handlers touch widgets. A StudioError is shown in the
   last line, anything else ends in the crash log. `self.say(sentence, remedy)` uses that line too.
4. The line on top: `self.studio_app.status.publish("job", "step 12/300 · LIVE", urgency=1)`, an empty
   text takes it back; `status.count(3, 142)` puts a number behind a pane.
5. Providers: `await self.studio_app.connection("local")`; connections are kept and closed at the end.
   From one pane to another: `self.studio_app.go(5, model)`, and in that pane's `arrive`
   `self.studio_app.wanted(5)`. Conversations takes `(conversation id, message id)` or a `Person`
   of its `narrowing`. After changing the archive call `self.studio_app.touched(self)`.
6. Everything foreign goes through `safe_text`, `safe_line` or `content` of `tui.safe_text`. The
   helpers in `tui.widgets.cells` align columns. Never build Content from markup with foreign text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, ParamSpec, Self, cast

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import Reactive
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker

from engine.errors import StudioError
from tui.actions import bindings
from tui.keymap import keyed
from tui.safe_text import safe_line
from tui.sized import Sized
from tui.widgets.key_line import KeyLine
from tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from tui.app import UnderstudyApp


P = ParamSpec("P")


class Pane(Sized[bool], inherit_bindings=False):
    """Subclass it, set DIGIT and BINDINGS, write `compose_body` and `arrive`."""

    DIGIT: ClassVar[int] = 0
    AUTO_FOCUS = "LineList"
    BINDINGS = bindings("pane")
    DEFAULT_CSS = """
    Pane {
        layout: vertical;
        #body { height: 1fr; }
        .list { width: 44; height: 1fr; }
        .detail { width: 1fr; height: 1fr; padding: 0 0 0 1; border-left: solid $rule; }
        .inspector { display: none; width: 41; height: 1fr; padding: 0 0 0 1; border-left: solid $rule; }
        .line { height: 1; padding: 0 1; color: $muted; }
        .detail > .line, .inspector > .line { padding: 0; }
        .over { margin: 0 0 1 0; }
        &.-three .list { width: 36; }
        &.-three .inspector { display: block; }
        &.-narrow .list { width: 1fr; }
        &.-narrow .detail { display: none; border-left: none; padding: 0 0 0 1; }
        &.-narrow.-detail .list { display: none; }
        &.-narrow.-detail .detail { display: block; }
        #shut { display: none; height: 1fr; padding: 0 3; content-align: center middle; }
        &.-shut #shut { display: block; }
        &.-shut #body { display: none; }
        &.-zoom .list, &.-zoom .inspector { display: none; }
        &.-zoom .detail { display: block; border-left: none; }
    }
    """

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As in Screen, which would repaint itself in full whenever the focus moves."""

    fresh = True
    """Nothing of this pane has been painted yet."""

    class Trouble(Message):
        """Work ended with an error that the user can mend."""

        def __init__(self, error: StudioError) -> None:
            super().__init__()
            self.error = error

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """A new layout repaints what it moved, and the first one everything: Screen would do so twice."""
        if not (regions or layout or recompose) and (self.fresh or self.studio_app.holding):
            return self
        super().refresh(*regions, repaint=repaint and not layout, layout=layout, recompose=recompose)
        self._repaint_required = self._repaint_required and self.is_mounted
        return self

    def compose(self) -> ComposeResult:
        # Textual sets the breakpoint classes after the first paint, and would paint everything twice.
        breakpoints = self.app.HORIZONTAL_BREAKPOINTS or []
        self.add_class([name for least, name in breakpoints if self.app.size.width >= least][-1])
        yield TopLine(self.studio_app.status, self.DIGIT)
        with Horizontal(id="body"):
            yield from self.compose_body()
        yield KeyLine()

    def compose_body(self) -> ComposeResult:
        """The content: a container of class `list` and one of class `detail`, or anything else."""
        raise NotImplementedError

    def arrive(self) -> None:
        """The pane was drawn, for the first time or again: load what may have changed."""

    @property
    def studio_app(self) -> UnderstudyApp:
        """The app, by its own type: `studio()`, `connection()`, `status`, `copy`."""
        return cast("UnderstudyApp", self.app)

    def work(
        self, group: str, call: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs
    ) -> Worker[None]:
        """Run `call(*args)` beside the screen; newer work of the same group ends the older, and
        work of group "" (a change) never ends another.

        It must not touch a widget: it posts messages to the pane. A StudioError in it is shown in
        the last line, anything else is a bug and ends in the crash log.
        """

        async def guarded() -> None:
            try:
                await call(*args, **kwargs)
            except StudioError as error:
                self.post_message(self.Trouble(error))

        return self.run_worker(guarded, group=group or "all", exclusive=bool(group))

    def say(self, message: str, hint: str = "") -> None:
        """Show a sentence, and what to do, in the last line until the next key."""
        self.query_one(KeyLine).say(message, hint)

    def quiet(self) -> None:
        """Give the last line back to the keys."""
        for line in self.query(KeyLine):
            line.quiet()

    def on_screen_resume(self) -> None:
        if self.focused is not None and not self.studio_app.boxes:
            self.call_after_refresh(self._point, self.focused)
        for line in self.query("TopLine, KeyLine"):
            line.refresh()
        self.call_after_refresh(self._painted)

    def _point(self, focused: Widget) -> None:
        """A sheet that was closed leaves the terminal's cursor behind."""
        typed = getattr(focused, "cursor_screen_offset", None)  # of a field or a prompt, not loaded before
        if typed is not None:
            self.app.cursor_position = typed
        else:
            focused.refresh()

    def _painted(self) -> None:
        if self.fresh and not self.studio_app.holding:
            self.fresh = False
            self.refresh()  # what no part draws by itself: the rule between them
        self.remove_class("-shut")
        self.arrive()

    def on_resize(self) -> None:
        """The detail keeps the focus, and so its place, where the screen grows narrow."""
        if (self.app.size.width < 100 or not self.studio_app.boxes) and self._focus_in(".detail"):
            self.add_class("-detail")

    def on_pane_trouble(self, event: Trouble) -> None:
        if self.studio_app.is_open:
            self.say(event.error.message, event.error.hint)
        else:
            self._shut(event.error)

    def _shut(self, error: StudioError) -> None:
        """There is nothing to show without a studio, so what keeps it shut stays in view."""
        if not self.query("#shut"):
            self.mount(Static(id="shut"), after="#body")
        hint = (f"\n\n{safe_line(error.hint)}", "$muted")
        self.query_one("#shut", Static).update(Content.assemble(safe_line(error.message), hint))
        self.add_class("-shut")

    def open_detail(self) -> None:
        """Give the detail the focus; below 100 columns it takes the list's place."""
        if self.has_class("-narrow"):
            self.add_class("-detail")
        self._focus_within(".detail")

    def action_back(self) -> None:
        """Back to the list."""
        self.remove_class("-detail", "-zoom")
        self._focus_within(".list")

    def action_zoom(self) -> None:
        """The detail alone, at any width."""
        if self.toggle_class("-zoom").has_class("-zoom"):
            self._focus_within(".detail")

    def on_text_selected(self) -> None:
        if self.get_selected_text():
            self.say(keyed("{pane.copy} copies what is selected.", self))

    def action_copy_selected(self) -> None:
        """Whatever else the key does: who has just selected something means that."""
        self.studio_app.copy(self.get_selected_text() or "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "copy_selected":
            return bool(self.get_selected_text())
        if action == "back":
            return self.has_class("-detail") or self.has_class("-zoom") or self._focus_in(".detail")
        if action == "zoom":
            return bool(self.query(".list")) and any(part.display for part in self.query(".detail"))
        return True

    def _focus_in(self, selector: str) -> bool:
        focused = self.focused
        return focused is not None and any(focused in part.walk_children() for part in self.query(selector))

    def _focus_within(self, selector: str) -> None:
        for widget in self.query(f"{selector}, {selector} *"):
            if widget.can_focus and widget.display and not widget.has_class("field"):
                self.set_focus(widget)
                return
