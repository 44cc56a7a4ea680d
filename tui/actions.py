"""The one table of actions: bindings, the line of keys, the help and the palette are made from it.

A widget or pane takes its keys with `BINDINGS = bindings("senders")` and writes one `action_...`
method for each row. Rows with a `label` stand in the line of keys, in the order of the table, the
focused widget's before its pane's; at most six fit. Every binding's id is `group.name`.

Keys that belong to the terminal and to multiplexers are never used: ctrl+s q b a o z h m i. Only
ctrl+z does what the terminal itself would do with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.binding import BindingType


@dataclass(frozen=True)
class Action:
    """name: unique in its group. keys: Textual's key names, comma between. does: the action and its
    arguments as Textual writes them. help: a few words for the help and the palette. label: one or
    two words for the line of keys, or empty to leave it out. shown: how the key is written."""

    name: str
    keys: str
    does: str
    help: str
    label: str = ""
    shown: str = ""
    priority: bool = False


ACTIONS: dict[str, tuple[Action, ...]] = {
    "app": (
        Action("pane-1", "1", "pane(1)", "go to Conversations"),
        Action("pane-2", "2", "pane(2)", "go to Senders"),
        Action("pane-3", "3", "pane(3)", "go to Chunks"),
        Action("pane-4", "4", "pane(4)", "go to Training"),
        Action("pane-5", "5", "pane(5)", "go to Chat"),
        Action("go", "ctrl+g", "go", "then a digit: go to that pane, even while typing", priority=True),
        Action("palette", "ctrl+p", "command_palette", "find any action by name", priority=True),
        Action("theme", "T", "next_theme", "next theme: dark, light, the terminal's own"),
        Action("mouse", "M", "mouse", "leave the mouse to the terminal, or take it back"),
        Action("redraw", "ctrl+l", "redraw", "draw the screen anew, where something wrote over it"),
        Action("suspend", "ctrl+z", "suspend", "back to the shell, until `fg`", priority=True),
        Action("help", "?", "help", "keys of the focused pane", "keys"),
        Action("quit", "q", "quit", "quit", "quit"),
        Action("interrupt", "ctrl+c", "interrupt", "copy what is selected; twice: quit"),
    ),
    "pane": (
        Action("next", "tab", "app.focus_next", "next part of the pane", shown="tab"),
        Action("previous", "shift+tab", "app.focus_previous", "previous part of the pane"),
        Action("copy", "y", "copy_selected", "copy what is selected with the mouse"),
        Action("zoom", "z", "zoom", "hide the list beside the detail"),
        Action("back", "escape", "back", "back to the list", "back", "esc"),
    ),
    "list": (
        Action("open", "enter", "open", "open the row under the bar", "open", "⏎"),
        Action("down", "down,j", "move(1)", "down", shown="↓ j"),
        Action("up", "up,k", "move(-1)", "up", shown="↑ k"),
        Action("page-down", "pagedown,ctrl+d", "page(1)", "one page down", shown="PgDn"),
        Action("page-up", "pageup,ctrl+u", "page(-1)", "one page up", shown="PgUp"),
        Action("top", "home,g", "top", "first row", shown="g"),
        Action("end", "end,G", "end", "last row", shown="G"),
    ),
    "transcript": (
        Action("down", "down,j", "move(1)", "next message", shown="↓ j"),
        Action("up", "up,k", "move(-1)", "previous message", shown="↑ k"),
        Action("page-down", "pagedown,ctrl+d,space", "page(1)", "one page down", shown="PgDn"),
        Action("page-up", "pageup,ctrl+u", "page(-1)", "one page up", shown="PgUp"),
        Action("top", "home,g", "top", "first message", shown="g"),
        Action("end", "end,G", "end", "last message", shown="G"),
        Action("copy", "y", "copy", "copy what is selected, or the message under the bar", "copy"),
    ),
    "field": (
        Action("left", "left", "cursor_left", "left", shown="←"),
        Action("right", "right", "cursor_right", "right, or take the suggestion", shown="→"),
        Action("left-word", "ctrl+left,alt+b", "cursor_left_word", "one word left"),
        Action("right-word", "ctrl+right,alt+f", "cursor_right_word", "one word right"),
        Action("home", "home", "home", "to the start"),
        Action("end", "end,ctrl+e", "end", "to the end"),
        Action("delete-left", "backspace", "delete_left", "delete to the left"),
        Action("delete-right", "delete,ctrl+d", "delete_right", "delete to the right"),
        Action("delete-word", "ctrl+w,alt+backspace", "delete_left_word", "delete a word to the left"),
        Action("delete-all", "ctrl+u", "delete_left_all", "delete all to the left"),
        Action("delete-rest", "ctrl+k", "delete_right_all", "delete all to the right"),
        Action("paste", "ctrl+v", "paste", "paste what was copied here"),
        Action("submit", "enter", "submit", "take it", shown="⏎"),
    ),
    "conversations": (
        Action("find", "/", "find", "find in all messages as you type", "find"),
        Action("next-hit", "n", "hit(1)", "next hit", "next"),
        Action("previous-hit", "N", "hit(-1)", "previous hit"),
        Action("details", "enter", "details", "the message with all that is known of it", "details", "⏎"),
        Action("date", "t", "date", "go to a day of the conversation that is shown", "day"),
        Action("editor", "e", "editor", "open the conversation in $VISUAL or $EDITOR"),
        Action("filter", "f", "filter", "narrow the list: source, people, kind, year, length", "filter"),
        Action("order", "s", "order", "sort: newest first, most messages first, by title"),
        Action("import", "i", "import", "import an export", "import"),
        Action("sample", "d", "sample", "load the sample exports", "sample"),
        Action("forget", "F", "forget", "forget a source: delete it with all that came only from it"),
        Action("ai", "a", "ai", "make somebody here the AI sender", "make AI sender"),
        Action("leave-out", "x", "leave_out", "leave this conversation out of every chunk, or back in"),
        Action(
            "leave-out-there", "X", "leave_out_there", "leave somebody out in this conversation, or back in"
        ),
    ),
    "importing": (
        Action("start", "enter", "start", "import what the path names", "import", "⏎", priority=True),
        Action("done", "o", "done", "open the first conversation", "first conversation"),
        Action("complete", "tab", "complete", "complete the path", "complete"),
        Action("past", "ctrl+r", "past", "the reports of past imports", "past reports"),
        Action("cancel", "c", "cancel", "stop the import; the studio stays as it was", "cancel"),
        Action("back", "escape", "back", "back to the conversations", "back", "esc"),
    ),
    "forgetting": (
        Action("forget", "y", "forget", "forget it for good"),
        Action("close", "escape,q", "close", "close, and keep everything"),
    ),
    "senders": (
        Action("ai", "a", "ai", "make this person the AI sender", "make AI"),
        Action(
            "leave-out", "x", "leave_out", "leave this person out of every chunk, or back in", "leave out"
        ),
        Action("leave-out-there", "X", "leave_out_there", "leave this person out in one conversation"),
        Action("mark", "space", "mark", "mark for joining", "mark"),
        Action("me", "m", "me", "this is me: the exports that this person wrote in are mine"),
        Action("join", "J", "join", "the marked ones, or one and this, are the same person", "join marked"),
        Action("split", "S", "split", "take a joined person apart again", "split"),
        Action("undo", "u", "undo", "take the last such change back", "undo"),
        Action("find", "/", "find", "find a name"),
        Action("order", "s", "order", "sort: most messages first, last heard first, by name"),
        Action("same", "y", "same", "the two that are asked about are one person", shown="y"),
        Action(
            "not-same", "n", "not_same", "the two that are asked about are different people: never ask again"
        ),
    ),
    "details": (Action("close", "escape,q,enter", "close", "close the details", "close", "esc"),),
    "rows": (Action("close", "escape,q", "close", "back to the report", "back", "esc"),),
    "choose": (Action("close", "escape,q", "close", "close without choosing", "close", "esc"),),
    "palette": (
        Action("down", "down,ctrl+n", "move(1)", "next"),
        Action("up", "up", "move(-1)", "previous"),
        Action("close", "escape", "close", "close"),
    ),
    "help": (Action("close", "escape,question_mark,q,enter", "close", "close the help", "close", "esc"),),
    "page": (
        Action("down", "down,j", "move(1)", "down", shown="↓ j"),
        Action("up", "up,k", "move(-1)", "up", shown="↑ k"),
        Action("page-down", "pagedown,ctrl+d,space", "page(1)", "one page down", shown="PgDn"),
        Action("page-up", "pageup,ctrl+u", "page(-1)", "one page up", shown="PgUp"),
        Action("top", "home,g", "top", "to the beginning", shown="g"),
        Action("end", "end,G", "end", "to the end", shown="G"),
    ),
    "ask": (Action("close", "escape", "close", "close without an answer", "close", "esc"),),
    "prompt": (
        Action("send", "enter", "send", "send it", "send", "⏎"),
        Action("newline", "ctrl+j,alt+enter", "newline", "a new line", "new line"),
        Action("up", "up", "cursor_up", "up", shown="↑"),
        Action("down", "down", "cursor_down", "down", shown="↓"),
        Action("left", "left", "cursor_left", "left", shown="←"),
        Action("right", "right", "cursor_right", "right", shown="→"),
        Action("left-word", "ctrl+left,alt+b", "cursor_word_left", "one word left"),
        Action("right-word", "ctrl+right,alt+f", "cursor_word_right", "one word right"),
        Action("home", "home", "cursor_line_start", "to the start of the line"),
        Action("end", "end,ctrl+e", "cursor_line_end", "to the end of the line"),
        Action("delete-left", "backspace", "delete_left", "delete to the left"),
        Action("delete-right", "delete,ctrl+d", "delete_right", "delete to the right"),
        Action("delete-word", "ctrl+w,alt+backspace", "delete_word_left", "delete a word to the left"),
        Action("delete-line", "ctrl+u", "delete_to_start_of_line", "delete to the start of the line"),
        Action(
            "delete-rest", "ctrl+k", "delete_to_end_of_line_or_delete_line", "delete the rest of the line"
        ),
        Action("paste", "ctrl+v", "paste", "paste what was copied here"),
        Action("undo", "ctrl+y", "undo", "undo typing"),
    ),
    "chunks": (
        Action("train", "t", "train", "train a model on these chunks", "train"),
        Action("recipe", "r", "recipe", "another recipe: studio or langchain", "recipe"),
        Action("message", "m", "message", "go to the message in Conversations", "message"),
        Action("problem", "exclamation_mark", "problem", "next chunk with a problem", "problems", "!"),
        Action("write", "w", "write", "write the chunks to a file", "write file"),
        Action("next", "n", "step(1)", "next chunk"),
        Action("previous", "N", "step(-1)", "chunk before"),
    ),
    "training": (
        Action("chat", "5,enter", "chat", "chat with this job's model", "chat with it"),
        Action("new", "n", "new", "train another model: shows first what goes where", "new"),
        Action("cancel", "c", "cancel", "cancel this job", "cancel"),
        Action("pause", "p", "pause", "pause this job, or let it go on", "pause / go on"),
        Action("checkpoints", "K", "checkpoints", "this job's checkpoints, to chat with one", "checkpoints"),
        Action("disk", "D", "disk", "what models and jobs take on this disk, and what of it is not needed"),
    ),
    "confirm": (
        Action("agree", "y,enter", "agree", "agree and start the training", "agree and start"),
        Action("leave", "escape", "leave", "leave; nothing is sent", "leave", "esc"),
        Action("provider", "p", "provider", "another provider", "provider"),
        Action("base", "b", "base", "another base model", "base model"),
    ),
    "chat": (
        Action("stop", "ctrl+c", "stop", "stop the reply"),
        Action("stop-here", "escape", "stop", "stop the reply", "stop", "esc"),
        Action("back", "escape", "back", "to the chat, then to the saved ones", "back", "esc"),
        Action("write", "i,enter", "write", "write a message", "write"),
        Action("new", "n", "new", "begin a new chat", "new"),
        Action("model", "m", "model", "chat with another model", "model"),
        Action("again", "r", "again", "another reply to the last message", "again"),
        Action("edit", "e", "edit", "edit the last message and send it again", "edit"),
        Action("system", "s", "system", "edit the system prompt", "system"),
        Action("copy", "y", "copy", "copy the last reply", "copy"),
        Action("origin", "o", "origin", "show the training line nearest to the last reply", "origin"),
    ),
}


def bindings(group: str) -> list[BindingType]:
    """Textual's bindings for one group of the table."""
    from textual.binding import Binding  # the table itself is read without a screen too

    return [
        Binding(
            action.keys,
            action.does,
            action.help,
            show=bool(action.label),
            key_display=action.shown or None,
            priority=action.priority,
            id=f"{group}.{action.name}",
        )
        for action in ACTIONS[group]
    ]


def find(binding_id: str | None) -> Action | None:
    """The table's row for a binding's id, or None for a binding that is not ours."""
    group, _, name = (binding_id or "").partition(".")
    return next((action for action in ACTIONS.get(group, ()) if action.name == name), None)
