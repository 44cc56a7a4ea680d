"""A sheet with one question and a place to write the answer."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.actions import bindings
from tui.keymap import keyed
from tui.safe_text import content
from tui.widgets.prompt import Prompt
from tui.widgets.sheet import Sheet


class Ask(ModalScreen[str | None], Sheet[str | None], inherit_bindings=False):
    """Dismisses with the text, or None. text: what stands there to begin with.

    one_line: a name or a path, which typing replaces. refuse: why the text cannot be taken, or "";
    then the question stays, with what was written.
    """

    BINDINGS = bindings("ask")
    DEFAULT_CSS = """
    Ask #question { padding: 0 0 1 0; }
    Ask #refused { display: none; padding: 1 0 0 0; text-style: bold; }
    Ask #hint { color: $muted; padding: 1 0 0 0; }
    """

    def __init__(
        self,
        question: str,
        text: str = "",
        *,
        does: str = "take it",
        one_line: bool = False,
        refuse: Callable[[str], str] = lambda text: "",
    ) -> None:
        super().__init__()
        self.question, self.text, self.does = question, text, does
        self.one_line, self.refuse = one_line, refuse

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(content(self.question), id="question")
            yield Prompt(self.text, one_line=self.one_line)
            yield Static("", id="refused")
            newline = "" if self.one_line else "   {prompt.newline} new line"
            yield Static(
                Content(keyed(f"{{prompt.send}} {self.does}{newline}   {{ask.close}} close", self)), id="hint"
            )

    def on_mount(self) -> None:
        prompt = self.query_one(Prompt)
        prompt.focus()
        if self.one_line:
            prompt.select_all()
        else:
            prompt.move_cursor(prompt.document.end)

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        refused = self.refuse(event.text)
        if refused:
            line = self.query_one("#refused", Static)
            line.update(content(refused))
            line.display = True
        else:
            self.dismiss(event.text)

    def action_close(self) -> None:
        self.dismiss(None)
