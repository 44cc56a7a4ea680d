"""Where messages are written: enter sends, ctrl+j makes a new line, several lines can be pasted."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import TextArea

from tui.actions import bindings
from tui.keymap import action, moved
from tui.safe_text import safe_text
from tui.widgets.field import point


class Prompt(TextArea, inherit_bindings=False):
    """A TextArea in the studio's look, as high as what is written, six lines at most."""

    BINDINGS = bindings("prompt")
    DEFAULT_CSS = """
    Prompt, Prompt:focus {
        border: none;
        height: auto;
        max-height: 6;
        padding: 0;
        background: transparent;
        background-tint: transparent;
        scrollbar-size-vertical: 0;
        & > .text-area--placeholder { color: $muted; }
        & > .text-area--cursor-line { background: transparent; }
    }
    """

    class Sent(Message):
        """Enter was pressed. text: as written."""

        def __init__(self, prompt: Prompt, text: str) -> None:
            super().__init__()
            self.prompt, self.text = prompt, text

        @property
        def control(self) -> Prompt:
            return self.prompt

    def __init__(
        self, text: str = "", *, placeholder: str = "", id: str | None = None, one_line: bool = False
    ) -> None:
        self.one_line = one_line
        super().__init__(
            text, id=id, classes="field", compact=True, highlight_cursor_line=False, placeholder=placeholder
        )
        self.cursor_blink = False

    def on_focus(self) -> None:
        self.call_after_refresh(point, self)

    def on_resize(self) -> None:
        self.call_after_refresh(point, self)  # shown, or grown by a line

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter" and "enter" in self._sends():
            # TextArea would make a new line of it before the bindings are asked.
            event.stop()
            event.prevent_default()
            self.action_send()

    def get_line(self, line_index: int) -> Text:
        """One line as it is drawn: TextArea would send to the terminal whatever the text holds."""
        line = super().get_line(line_index)
        if not line.plain.isprintable():
            # One character for one, or the cursor would stand elsewhere than the text.
            line.plain = "".join(
                c if c.isprintable() or c == "\t" else safe_text(c) or "\ufffd" for c in line.plain
            )
        return line

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (action == "newline" and self.one_line)

    def _sends(self) -> list[str]:
        row = action("prompt.send", moved(self))
        return row.keys.split(",") if row else []

    def action_send(self) -> None:
        self.post_message(self.Sent(self, self.text))

    def action_newline(self) -> None:
        self.insert("\n")
