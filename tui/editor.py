"""Which editor, or which pager, opens a file at a line."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from engine.errors import StudioError

LINE_BEFORE = ("+{line}", "{file}")

AT_A_LINE = {
    **dict.fromkeys(("vi", "vim", "nvim", "view", "rvim", "rview", "nvi", "elvis"), LINE_BEFORE),
    **dict.fromkeys(("nano", "pico", "rnano", "emacs", "emacsclient", "mg", "jed", "zile"), LINE_BEFORE),
    **dict.fromkeys(("micro", "kak", "joe", "jstar", "jmacs", "ne", "mcedit"), LINE_BEFORE),
    **dict.fromkeys(("less", "more", "most", "editor", "sensible-editor"), LINE_BEFORE),
    **dict.fromkeys(("gvim", "mvim"), ("-f", *LINE_BEFORE)),
    **dict.fromkeys(("code", "code-insiders", "codium"), ("--wait", "--goto", "{file}:{line}")),
    **dict.fromkeys(("hx", "helix"), ("{file}:{line}",)),
}
"""By the name of a program how it is told a line, and to wait until the file is closed. It gets the file
alone where it is none of these."""

PAGERS = ("less", "more")


def chosen(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The program and its own arguments: $VISUAL, $EDITOR, or a pager. StudioError where it is not there."""
    for name in ("VISUAL", "EDITOR"):
        given = environment.get(name, "").strip()
        if not given:
            continue
        another = f"Let {name} name another, as in: export {name}=vi"
        try:
            words = shlex.split(given)
        except ValueError as error:
            raise StudioError(f"${name} has half a pair of quotation marks: {given}.", another) from error
        if shutil.which(words[0]) is None:
            raise StudioError(f"${name} names {words[0] or 'nothing'}, which is no program here.", another)
        return words
    for pager in PAGERS:
        if shutil.which(pager):
            return [pager]
    raise StudioError("No editor is chosen, and there is no less.", "Choose one, as in: export EDITOR=vi")


def at_line(command: list[str], file: Path, line: int) -> list[str]:
    """The whole command that opens `file` at `line` (the first is 1), or at its beginning."""
    name = Path(command[0]).name
    told = AT_A_LINE.get(name) or AT_A_LINE.get(name.partition(".")[0], ("{file}",))  # vim.basic
    return [*command, *(one.format(file=file, line=line) for one in told)]
