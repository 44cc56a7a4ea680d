"""One message row of a Messenger, encrypted Messenger or Instagram export.

The encrypted export names the same things differently (senderName, text, media), so one
struct reads all three. Any field may be absent, null or odd.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec

from engine.conversation import LAST_TIME, Attachment, AttachmentKind, Kind, Reaction
from engine.importers.wording import ANONYMOUS, ANONYMOUS_NAMES, PLACE, beginnings, wording

_MEDIA_LOST = "Failed to download media"
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..)", re.DOTALL
)
_OTHER_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00)")
_MAP = re.compile(
    r"https?://(maps\.(google|apple)\.|([a-z]+\.)?(google\.[a-z.]+|bing\.com)/maps"
    r"|([a-z]+\.)?openstreetmap\.org/)"
)  # also as the service wraps it: l.facebook.com/l.php?u=https%3A%2F%2F...
_PERHAPS_OTHER = re.compile(rb"\\u(?!00)")


class _Media(msgspec.Struct, gc=False):
    uri: str | None = None


class _Share(msgspec.Struct, gc=False):
    link: str | None = None


class _Reaction(msgspec.Struct, gc=False):
    reaction: str | None = None
    actor: str | None = None
    timestamp: int | float | None = None


class Row(msgspec.Struct, gc=False):
    """A row as it is written."""

    sender_name: str | None = None
    sender: str | None = msgspec.field(default=None, name="senderName")
    timestamp_ms: int | float | None = None
    timestamp: int | float | None = None
    content: str | None = None
    text: str | None = None
    type: Any = None
    photos: list[_Media] | None = None
    videos: list[_Media] | None = None
    audio_files: list[_Media] | None = None
    files: list[_Media] | None = None
    gifs: list[_Media] | None = None
    sticker: _Media | None = None
    share: _Share | None = None
    media: list[_Media] | None = None
    reactions: list[_Reaction] | None = None
    users: Any = None
    call_duration: Any = None
    missed: Any = None
    is_unsent: Any = None
    unsent: Any = msgspec.field(default=None, name="isUnsent")
    is_taken_down: Any = None


class Line(msgspec.Struct, gc=False, array_like=True):
    """A row that was understood. sender is a display name; ANONYMOUS for deleted accounts."""

    time: int
    sender: str
    text: str
    kind: Kind
    attachments: tuple[Attachment, ...]
    reactions: tuple[Reaction, ...]
    repaired: bool


_decode = msgspec.json.Decoder(Row).decode


def is_mojibake(raw: bytes) -> bool:
    """Whether this file holds UTF-8 bytes escaped one by one, as the main export does.

    A fact of the whole file: no byte above ASCII and no escape outside \\u00xx. In any other file a
    person may have typed the very characters that such damage looks like.
    """
    # The first search is the cheap one: a backslash that was typed before a "u" deceives it.
    return raw.isascii() and (_PERHAPS_OTHER.search(raw) is None or _OTHER_ESCAPE.search(raw) is None)


def repair(text: str) -> str:
    """The text whose UTF-8 bytes `text` spells; `text` itself where it spells none."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def mend_surrogates(raw: bytes) -> bytes:
    """Replace half emoji (an escape that lost its other half) by U+FFFD: they make a file unreadable."""
    return _LONE_SURROGATE.sub(lambda m: m[1] + (m[2] or b"\\ufffd"), raw)


def person(name: str | None) -> str:
    """A display name, or ANONYMOUS for every way of writing a deleted account."""
    name = (name or "").strip()
    return ANONYMOUS if name.casefold() in ANONYMOUS_NAMES else name


class Understood(msgspec.Struct):
    """What became of some rows. left_out: the place of a row among them and why; lines: all the others."""

    lines: list[Line]
    left_out: list[tuple[int, str]]
    repaired: int


def understand_all(rows: Iterable[Row | msgspec.Raw], mojibake: bool, owner: str | None) -> Understood:
    """Most rows are plain words and take the short way."""
    speech, name = Kind.SPEECH, None
    known: dict[str | None, _Writer] = {}
    understood: list[Line] = []
    left_out: list[tuple[int, str]] = []
    add, repaired = understood.append, 0
    sender, name_repaired, worded, generic = "", False, frozenset[str](), (None, "Generic")
    for at, row in enumerate(rows):
        if not isinstance(row, Row):
            line = read_row(row, mojibake, owner)
            if isinstance(line, str):
                left_out.append((at, line))
            else:
                repaired += line.repaired
                add(line)
            continue
        if row.sender_name != name or not known:
            name = row.sender_name
            if name not in known:
                known[name] = _writer(name, mojibake, owner)
            sender, name_repaired, worded = known[name]
        text, time = row.content, row.timestamp_ms
        start = text[:2] if text else ""
        if (
            not start or name is None or type(time) is not int or not 0 < time < LAST_TIME
            or not start.isascii() or start in worded or start.isspace()
            or row.photos or row.reactions or row.share or row.sticker or row.videos or row.audio_files
            or row.files or row.gifs or row.media or row.users or row.call_duration is not None or row.missed
            or row.is_unsent or row.unsent or row.is_taken_down or row.type not in generic
        ):  # fmt: skip
            line = understand(row, mojibake, owner)
            if isinstance(line, str):
                left_out.append((at, line))
                continue
            repaired += line.repaired
            add(line)
        elif not text or text.isascii() or not mojibake:
            repaired += name_repaired
            add(Line(time, sender, text or "", speech, (), (), name_repaired))
        else:
            try:
                mended = text.encode("latin-1").decode("utf-8")
            except UnicodeError:
                mended = text
            of_text = mended is not text or name_repaired
            repaired += of_text
            add(Line(time, sender, mended, speech, (), (), of_text))
    return Understood(understood, left_out, repaired)


_Writer = tuple[str, bool, frozenset[str]]
"""A sender as written: the display name, whether it had to be repaired, and how `wording` begins for it."""


@lru_cache(maxsize=4096)
def _writer(name: str | None, mojibake: bool, owner: str | None) -> _Writer:
    sender = _mended_person(name or "") if mojibake else person(name)
    repaired = mojibake and name is not None and name != repair(name)
    return sender, repaired, beginnings(sender, owner)


def read_row(raw: bytes | msgspec.Raw, mojibake: bool, owner: str | None) -> Line | str:
    """The row as a Line, or the reason why it is left out."""
    row = decode(raw)
    return "row not readable" if row is None else understand(row, mojibake, owner)


def decode(raw: bytes | msgspec.Raw) -> Row | None:
    """None where the row is not of this shape."""
    try:
        return _decode(raw)
    except (ValueError, RecursionError):
        return None


def understand(row: Row, mojibake: bool, owner: str | None) -> Line | str:
    """The decoded row as a Line, or the reason why it is left out."""
    time = row.timestamp_ms if row.timestamp_ms is not None else row.timestamp
    if time is None or not 0 < time < LAST_TIME:
        return "no time"
    name = row.sender_name if row.sender_name is not None else row.sender
    sender, repaired, worded = _writer(name, mojibake, owner)
    written = (row.content if row.content is not None else row.text) or ""
    mend: Callable[[str], str] = repair if mojibake else str
    text = written if not mojibake or written.isascii() else repair(written)
    reactions = _reactions(row, mend) if row.reactions else ()
    attachments = _attachments(row, text, mend)
    start = text[:2]
    told = wording(text, sender, owner) if text and (start in worded or not start.isascii()) else None
    kind, said = _kind(row, text, told, attachments)
    if kind is Kind.SPEECH and (not said or said.isspace()):
        if not attachments:
            return "empty (no text, no attachment)"
        kind = Kind.ATTACHMENT
    if kind is Kind.ATTACHMENT and not attachments and PLACE.search(said):
        attachments = (Attachment(AttachmentKind.LOCATION),)
    if mojibake and not repaired:
        repaired = not (text is written or written == said) or (
            bool(reactions) and any(not (r.actor.isascii() and r.emoji.isascii()) for r in reactions)
        )
    return Line(int(time), sender, said, kind, attachments, reactions, repaired)


@lru_cache(maxsize=4096)
def _mended_person(name: str) -> str:
    return person(repair(name))


def _kind(row: Row, text: str, told: Kind | None, attachments: tuple[Attachment, ...]) -> tuple[Kind, str]:
    """What the row is, and its text. The fields are believed before the wording. told: what that says."""
    if row.is_unsent or row.unsent or row.is_taken_down:
        return Kind.UNSENT, text
    if row.call_duration is not None or row.missed or row.type == "Call":
        return Kind.CALL, text
    if row.users or row.type in ("Subscribe", "Unsubscribe"):
        return Kind.EVENT, text
    if told is Kind.ATTACHMENT and attachments:
        return told, ""
    if attachments and told is None:
        # A bubble that is nothing but the link it shares is no sentence to learn from.
        if all(text.strip() == attachment.name for attachment in attachments):
            return Kind.ATTACHMENT, text
        return Kind.SPEECH, text
    if row.type == "placeholder":
        return (told or Kind.EVENT), text
    return (told or Kind.SPEECH), text


def _attachments(row: Row, text: str, mend: Callable[[str], str]) -> tuple[Attachment, ...]:
    found: list[Attachment] = []
    if row.photos:
        found += _named(AttachmentKind.PHOTO, row.photos, mend)
    if row.videos:
        found += _named(AttachmentKind.VIDEO, row.videos, mend)
    if row.audio_files:
        found += _named(AttachmentKind.VOICE, row.audio_files, mend)
    if row.files:
        found += _named(AttachmentKind.FILE, row.files, mend)
    if row.gifs:
        found += _named(AttachmentKind.GIF, row.gifs, mend)
    if row.media:
        found += [_guessed(_name(mend(item.uri or ""))) for item in row.media]
    if row.sticker is not None:
        found += _named(AttachmentKind.STICKER, [row.sticker], mend)
    if row.share is not None:
        link = mend(row.share.link or "")
        place = _MAP.search(unquote(link)) or PLACE.search(text)
        found.append(Attachment(AttachmentKind.LOCATION if place else AttachmentKind.LINK, link))
    elif row.type == "link":
        found.append(Attachment(AttachmentKind.LINK, text.strip()))
    return tuple(found)


def _named(kind: AttachmentKind, media: list[_Media], mend: Callable[[str], str]) -> list[Attachment]:
    return [Attachment(kind, _name(mend(item.uri or ""))) for item in media]


def _name(uri: str) -> str:
    """The file name of a path, the whole of a URL, nothing where the service lost the file."""
    if uri == _MEDIA_LOST:
        return ""
    return uri if "://" in uri else uri.rsplit("/", 1)[-1]


_BY_SUFFIX = {
    **dict.fromkeys(("jpg", "jpeg", "png", "webp", "heic", "bmp"), AttachmentKind.PHOTO),
    **dict.fromkeys(("mp4", "mov", "webm", "avi", "3gp"), AttachmentKind.VIDEO),
    **dict.fromkeys(("m4a", "aac", "ogg", "opus", "mp3", "wav"), AttachmentKind.VOICE),
    "gif": AttachmentKind.GIF,
}


def _guessed(name: str) -> Attachment:
    """The encrypted export puts every medium in one list: only the file name says what it is."""
    return Attachment(_BY_SUFFIX.get(name.rsplit(".", 1)[-1].lower(), AttachmentKind.FILE), name)


def _reactions(row: Row, mend: Callable[[str], str]) -> tuple[Reaction, ...]:
    named = person if mend is str else _mended_person
    return tuple(
        [
            Reaction(named(item.actor or ""), mend(item.reaction), _milliseconds(item.timestamp))
            for item in row.reactions or ()
            if item.reaction
        ]
    )


def _milliseconds(time: float | None) -> int | None:
    """Reactions carry seconds in some exports and milliseconds in others."""
    if time is None or not 0 < time < LAST_TIME:
        return None
    return int(time * 1000) if time < 100_000_000_000 else int(time)
