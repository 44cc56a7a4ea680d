"""One row of chat.db's message table: what it is and what it says."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable
from typing import NamedTuple

from engine.conversation import LAST_TIME, Attachment, AttachmentKind, Edit, Kind
from engine.importers import imessage_edits, typedstream

EPOCH = 978_307_200_000  # 2001-01-01 UTC in ms since 1970
FIRST_NANOSECONDS = 10**12  # smaller dates are seconds, as systems before High Sierra wrote them

OBJECT = "\ufffc"  # stands for an attachment
APP = "\ufffd"  # stands for an app's bubble
LINK_BALLOON = "com.apple.messages.URLBalloonProvider"
_ONE_TIME_CODE = "__kIMOneTimeCodeAttributeName"
_TRANSCRIPTION = "IMAudioTranscription"
_BREADCRUMB = "__kIMBreadcrumbTextMarkerAttributeName"
_PLUGIN_TEXT = re.compile(r"\$\(kIM\w*\)")

TAPBACKS = {
    2000: "❤",
    2001: "👍",
    2002: "👎",
    2003: "😂",
    2004: "‼",
    2005: "❓",
    2007: "sticker",
    1000: "sticker",
}
REACTION = "{0} = 1000 OR {0} >= 2000 AND {0} < 4000"  # is_reaction, as SQL
_ORDINARY = frozenset({None, 0, 2, 3})
_POLL_VOTE = 4000
_NO_SUBJECT = ("", "nosubject", "no subject", "(no subject)")  # what carriers write into an MMS


class Row(NamedTuple):
    """The columns that are read; None where this database does not have them."""

    rowid: int
    guid: str | None
    text: str | None
    body: bytes | None
    handle: object
    date: object
    is_from_me: int | None
    item_type: int | None
    group_action: int | None
    group_title: str | None
    other_handle: object
    associated_type: int | None
    balloon: str | None
    summary: bytes | None
    date_edited: int | None
    date_retracted: int | None
    originator: str | None
    is_audio: int | None
    subject: str | None
    share_status: int | None


# The columns of a Row behind its ROWID, in order, as chat.db names them, and the type to read them as.
COLUMNS = {
    "guid": "TEXT",
    "text": "TEXT",
    "attributedBody": "BLOB",
    "handle_id": "",
    "date": "",
    "is_from_me": "INTEGER",
    "item_type": "INTEGER",
    "group_action_type": "INTEGER",
    "group_title": "TEXT",
    "other_handle": "",
    "associated_message_type": "INTEGER",
    "balloon_bundle_id": "TEXT",
    "message_summary_info": "BLOB",
    "date_edited": "INTEGER",
    "date_retracted": "INTEGER",
    "thread_originator_guid": "TEXT",
    "is_audio_message": "INTEGER",
    "subject": "TEXT",
    "share_status": "INTEGER",
}


class Content(NamedTuple):
    """What a row says. recovered: the text stood in attributedBody only."""

    kind: Kind
    text: str
    attachments: tuple[Attachment, ...] = ()
    edited: bool = False
    recovered: bool = False
    edits: tuple[Edit, ...] = ()


def milliseconds(date: object) -> int | None:
    """A date of chat.db as UTC ms since 1970; None where there is none (NULL, 0, nonsense)."""
    if not isinstance(date, int | float) or not 0 < abs(date) < 2**63:
        return None
    time = EPOCH + int(date // 10**6 if abs(date) >= FIRST_NANOSECONDS else date * 1000)
    return time if 0 < time < LAST_TIME else None


def is_reaction(code: int) -> bool:
    """Tapbacks, their removal, and stickers put on a bubble: 1000, 2000-2007, 3000-3007."""
    return code == 1000 or 2000 <= code < 4000


def target(guid: str) -> str:
    """The message that a reaction is on: `p:<part>/<guid>`, `bp:<guid>` or the bare guid."""
    return guid.rpartition("/")[2].rpartition(":")[2]


def content(row: Row, attachments: Iterable[Attachment]) -> Content | str:
    """What an ordinary row says, or the reason why it is left out."""
    carried = tuple(attachments)
    if row.associated_type not in _ORDINARY:
        return Content(Kind.EVENT, "voted in a poll" if row.associated_type == _POLL_VOTE else "")
    plain, body, recovered = _written(row)
    if body is not None and any(_ONE_TIME_CODE in run.attributes for run in body.runs):
        return "one-time login code"
    text, edited, edits = plain, False, tuple[Edit, ...]()
    if row.date_edited or row.date_retracted or imessage_edits.is_in(row.summary):
        past = imessage_edits.history(row.summary)
        text, edits = imessage_edits.current(past, row.body, plain), past.earlier
        edited = bool(past.versions) or (bool(row.date_edited) and not past.gone)
        if not text and not carried and (past.gone or row.date_edited or row.date_retracted):
            return Content(Kind.UNSENT, "")
    if row.subject and row.subject.strip().lower() not in _NO_SUBJECT:
        text = f"{row.subject.strip()}\n{text}".rstrip()
    if row.balloon and row.balloon != LINK_BALLOON:
        return _app(row.balloon, text, body, carried, recovered)
    # Every attachment has a place in the text; a place without a row is an attachment all the same.
    missing = text.count(OBJECT) - len(carried)
    carried += (Attachment(AttachmentKind.FILE),) * max(0, missing)
    if OBJECT in text:
        text = text.replace(OBJECT, "").strip()
    if text.strip() == APP:  # anywhere else it is a character that could not be read
        text, carried = "", carried or (Attachment(AttachmentKind.APP),)
    said = Content(Kind.SPEECH, text, carried, edited, recovered, edits)
    if row.balloon == LINK_BALLOON:
        return _link(said)
    if row.is_audio:
        names = [item.name for item in carried] or [""]
        said = said._replace(attachments=tuple(Attachment(AttachmentKind.VOICE, name) for name in names))
        if not text:
            text = " ".join(_marked(body, _TRANSCRIPTION))
            return said._replace(kind=Kind.ATTACHMENT, text=text)
    if text.strip():
        return said
    if said.attachments:
        return said._replace(kind=Kind.ATTACHMENT, text="")
    if row.body and body is None and not row.text:
        return "text damaged beyond reading"
    return "empty (no text, no attachment)"


def _written(row: Row) -> tuple[str, typedstream.Body | None, bool]:
    """Text, decoded body where its attributes matter, and whether the text came out of the body."""
    blob, text = row.body, row.text or ""
    if blob is None:
        return text, None, False
    if b"OneTimeCode" in blob or b"Transcription" in blob or b"Breadcrumb" in blob:
        body = typedstream.decode(blob)
        found = body.text if body else None
    else:
        body, found = None, None
        if not text:
            found = typedstream.text(blob)
            body = None if found is None else typedstream.Body(found)
    return (text, body, False) if text or not found else (found, body, True)


def _marked(body: typedstream.Body | None, attribute: str) -> list[str]:
    """The values of an attribute that are texts, in order."""
    values = [run.attributes.get(attribute) for run in body.runs] if body else []
    return [value for value in values if isinstance(value, str) and value]


def _app(
    balloon: str, text: str, body: typedstream.Body | None, carried: tuple[Attachment, ...], recovered: bool
) -> Content:
    """A bubble that an app drew. What it says about itself is no speech."""
    said = " ".join(_marked(body, _BREADCRUMB)) or text
    said = _PLUGIN_TEXT.sub("", said).replace(OBJECT, "").replace(APP, "").strip()
    name = balloon.rpartition(":")[2].rpartition(".")[2]
    return Content(Kind.ATTACHMENT, said, (Attachment(AttachmentKind.APP, name), *carried), False, recovered)


def _link(said: Content) -> Content:
    """A link with its preview. A bubble that is nothing but the link is no sentence to learn from."""
    text = said.text.strip()
    found = re.search(r"\S+://\S+", text)
    address = found[0] if found else text
    kind = Kind.ATTACHMENT if text == address else Kind.SPEECH
    return said._replace(kind=kind, attachments=(Attachment(AttachmentKind.LINK, address), *said.attachments))


def event(row: Row, other: str) -> str:
    """What a group event (a row with an item_type) says. other: the name of who it happened to."""
    match row.item_type, row.group_action:
        case (1, 1):
            return f"removed {other}".strip()
        case (1, _):
            return f"added {other}".strip()
        case (2, _):
            return f"named the conversation “{row.group_title}”" if row.group_title else "removed the name"
        case (3, 1 | 2):
            return "changed the group photo" if row.group_action == 1 else "removed the group photo"
        case (3, _):
            return "left the conversation"
        case (4, _):
            return {0: "started sharing a location", 1: "stopped sharing a location"}.get(
                -1 if row.share_status is None else row.share_status, "shared or stopped sharing a location"
            )
        case (5, _):
            return "kept an audio message"
        case (6, _):
            return "started SharePlay"
    return ""


def attachment(
    name: str | None, path: str | None, mime: str | None, uti: str | None, is_sticker: object
) -> Attachment | None:
    """A typed marker; None for the payload of a link or app, which is no attachment of its own."""
    called = name or (path or "").rpartition("/")[2]
    if called.endswith(".pluginPayloadAttachment"):
        return None
    guessed = mime or mimetypes.guess_type(called)[0] or ""
    return Attachment(_attachment_kind(guessed.lower(), (uti or "").lower(), bool(is_sticker)), called)


_UTI_KINDS = (
    (("gif",), AttachmentKind.GIF),
    (("vlocation",), AttachmentKind.LOCATION),
    (("jpeg", "png", "heic", "heif", "webp", "tiff", "image"), AttachmentKind.PHOTO),
    (("audio", "amr", "mp3", "m4a"), AttachmentKind.VOICE),
    (("movie", "mpeg-4", "video", "3gpp"), AttachmentKind.VIDEO),
)


def _attachment_kind(mime: str, uti: str, is_sticker: bool) -> AttachmentKind:
    if is_sticker:
        return AttachmentKind.STICKER
    if "vlocation" in uti or mime == "text/x-vlocation":
        return AttachmentKind.LOCATION
    if mime == "image/gif":
        return AttachmentKind.GIF
    kinds = {"image": AttachmentKind.PHOTO, "video": AttachmentKind.VIDEO, "audio": AttachmentKind.VOICE}
    by_mime = kinds.get(mime.partition("/")[0])
    if by_mime or mime:
        return by_mime or AttachmentKind.FILE
    return next(
        (kind for words, kind in _UTI_KINDS if any(word in uti for word in words)), AttachmentKind.FILE
    )
