"""The question under the table: are these two one person?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from tui.keymap import keyed
from tui.safe_text import safe_line
from tui.widgets.cells import fit, source_name

if TYPE_CHECKING:
    from engine.archive.rows import PersonRow
    from engine.archive.suggestions import Suggestion


class SamePerson(Widget):
    """Hidden where there is nothing to ask. waits: people are marked, and the join key means those."""

    DEFAULT_CSS = "SamePerson { display: none; height: 5; padding: 1 3; }"

    asked: Suggestion | None = None
    many = 0
    waits = False

    def ask(self, asked: Suggestion | None, many: int, waits: bool) -> None:
        """many: how many questions there are, this one among them."""
        self.asked, self.many, self.waits = asked, many, waits
        self.display = asked is not None
        self.refresh()

    def render(self) -> Content:
        if self.asked is None:
            return Content("")
        width = self.content_size.width
        one, other = _named(self.asked.keep), _named(self.asked.other)
        room = max(16, width - cell_len("same person?   · "))
        one = fit(one, max(room // 2, room - cell_len(other))).rstrip()
        other = fit(other, room - cell_len(one)).rstrip()
        more = f" · 1 of {self.many}" if self.many > 1 else ""
        join, same, other_one = (keyed(f"{{senders.{name}}}", self) for name in ("join", "same", "not-same"))
        answers: list[str | tuple[str, str]] = (
            [join, (" joins the marked ones", "$muted")]
            if self.waits
            else [same, (" join   ", "$muted"), other_one, (" not the same", "$muted")]
        )
        return Content.assemble(
            ("same person?  ", "$muted"),
            f"{one} · {other}\n",
            (f"{self.asked.reason}{more}\n", "$muted"),
            *answers,
        )


def _named(person: PersonRow) -> str:
    return f"{shortened(safe_line(person.name))} ({', '.join(map(source_name, person.sources))})"


def shortened(name: str) -> str:
    """`+1555…42` for a phone number; any other name as it is."""
    from engine.archive.suggestions import address

    if not address(name).isdecimal():
        return name
    digits = "".join(letter for letter in name if letter in "+0123456789")
    return f"{digits[:5]}…{digits[-2:]}"
