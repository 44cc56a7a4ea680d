"""What LangChain's chat loaders lose or distort on the sample exports, and what Understudy keeps.

    python tests/benchmarks/what_is_lost.py

Both read the same files. What people really wrote is known from the hand-written conversations that the
samples were made of, so neither side is the judge:

    read          messages that the loader gives as speech
    lost          written by somebody, but not among them
    multiplied    more often among them than it was written
    mojibake      text or name still in broken encoding (repaired here before anything else is compared)
    no speech     calls, reactions, "sent an attachment", U+FFFC and the like, given as something said
    wrong sender  given as somebody else's, or without the one who wrote it
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

from sample_messenger import OWNER, ROOT
from sample_script import read_scripts

from engine import samples
from engine.conversation import Kind
from engine.importers import ImportReport, recognise

NO_SPEECH = {
    "added", "app", "attachment", "call", "event", "left", "missed", "nothing", "raw", "reacted", "removed",
    "renamed", "unsent",
}  # fmt: skip
# Deleted by its writer, an address without a word, a login code by a machine: whoever has it or not is right.
EITHER_WAY = {"deleted", "link", "code"}
OBJECT = "\ufffc"

Said = tuple[str, str]
"""Who (a name, or in iMessage an address) and what."""


class Figures(NamedTuple):
    read: int
    lost: int
    multiplied: int
    mojibake: int
    no_speech: int
    wrong_sender: int


def written(app: str) -> tuple[list[Said], set[str]]:
    """What people wrote, as the samples' scripts have it, and the texts that do not count."""
    found, either_way = list[Said](), set[str]()
    for script in read_scripts(app):
        for bubble in script.bubbles:
            if bubble.tag in EITHER_WAY:
                either_way |= {bubble.text, bubble.argument}
            elif bubble.tag not in NO_SPEECH and bubble.text.strip():
                who = OWNER if bubble.by == "w" else script.people[bubble.by]
                found.append((address(who), bubble.text.strip()))
    return found, either_way


def address(who: str) -> str:
    """A name as it is; a telephone number without its plus."""
    return who.removeprefix("+").casefold()


def repaired(text: str) -> str:
    """Text whose UTF-8 bytes stand as characters of their own, made whole; any other as it is."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def compare(given: Iterable[Said], truth: list[Said], either_way: set[str]) -> Figures:
    read = [(who, text) for who, text in given if text.strip() not in either_way]
    sound = [(address(repaired(who)), repaired(text).replace(OBJECT, "").strip()) for who, text in read]
    mojibake = sum(who != repaired(who) or text != repaired(text) for who, text in read)
    wanted, had = Counter(text for _, text in truth), Counter(text for _, text in sound)
    among = Counter({text: count for text, count in had.items() if text in wanted})
    right = (Counter(sound) & Counter(truth)).total()
    return Figures(
        read=len(read),
        lost=(wanted - had).total(),
        multiplied=(among - wanted).total(),
        mojibake=mojibake,
        no_speech=had.total() - among.total(),
        wrong_sender=(among & wanted).total() - right,
    )


def langchain(app: str) -> list[Said]:
    """What LangChain's loader for `app` gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.chat_loaders import FolderFacebookMessengerChatLoader, IMessageChatLoader
    if app == "messenger":
        sessions = FolderFacebookMessengerChatLoader(samples.messenger() / ROOT).load()
    else:
        with tempfile.TemporaryDirectory() as folder:  # it opens the file for writing
            copy = shutil.copy(samples.imessage(), folder)
            sessions = IMessageChatLoader(copy).load()
    return [
        (str(message.additional_kwargs["sender"]), str(message.content))
        for session in sessions
        for message in session["messages"]
    ]


def ours(app: str) -> list[Said]:
    """What Understudy keeps as speech. iMessage's people by their addresses, as the database has them."""
    path = samples.messenger() if app == "messenger" else samples.imessage()
    report = ImportReport()
    found = []
    for conversation in recognise(path).conversations(path, report):
        who = {
            sender.key: OWNER if sender.is_owner else sender.name if app == "messenger" else sender.key
            for sender in conversation.senders
        }
        found += [(who[m.sender], m.text) for m in conversation.messages if m.kind is Kind.SPEECH]
    return found


def table() -> list[list[str]]:
    names = ["written", *Figures._fields]
    rows = [["export", "reader", *(name.replace("_", " ") for name in names)]]
    for app, title in (("messenger", "Messenger"), ("imessage", "iMessage")):
        truth, either_way = written(app)
        for reader, read in (("LangChain", langchain), ("Understudy", ours)):
            figures = compare(read(app), truth, either_way)
            rows.append([title, reader, *(f"{value:,}" for value in (len(truth), *figures))])
    return rows


def main() -> None:
    rows = table()
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    main()
