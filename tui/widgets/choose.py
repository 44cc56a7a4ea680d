"""A sheet with one question and a list of answers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.actions import bindings
from tui.keymap import keyed
from tui.safe_text import content, safe_line
from tui.widgets.cells import fit, right
from tui.widgets.line_list import LineList
from tui.widgets.sheet import Sheet


class Choose(ModalScreen[int | None], Sheet[int | None], inherit_bindings=False):
    """Dismisses with the index of the chosen row, or None. rows: (text, what stands at its right)."""

    BINDINGS = bindings("choose")
    DEFAULT_CSS = """
    Choose #question { padding: 0 0 1 0; }
    Choose #hint { color: $muted; padding: 1 0 0 0; }
    """

    def __init__(self, question: str, rows: Sequence[tuple[str, str]], chosen: int = 0) -> None:
        super().__init__()
        self.question, self.rows, self.chosen = question, rows, chosen

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Static(content(self.question), id="question")
            yield Answers()
            yield Static(Content(keyed("{list.open} choose   {choose.close} close", self)), id="hint")

    def on_mount(self) -> None:
        answers = self.query_one(Answers)
        answers.list(self.rows, self.chosen)

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        self.dismiss(event.index)

    def action_close(self) -> None:
        self.dismiss(None)


class Answers(LineList):
    """answers: (text, what stands at its right)."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Sequence[tuple[str, str]] = ()
        self.end = 0

    def list(self, answers: Sequence[tuple[str, str]], chosen: int = 0) -> None:
        self.answers = answers
        self.end = min(24, max((cell_len(end) for _, end in answers), default=0))
        self.styles.height = max(1, min(len(answers), 16))
        self.show(len(answers), chosen)

    def row(self, index: int, width: int) -> Content:
        text, end = (safe_line(part) for part in self.answers[index])
        room = self.end if end else 0
        return Content.assemble(f" {fit(text, width - room - 3)} ", (right(end, room), "$muted"), " ")
