"""What the studio hands out: frozen values, one for each kind of row. Times are UTC milliseconds."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.conversation import Attachment, Edit, Kind, Reaction


class SourceRow(msgspec.Struct, frozen=True):
    """One import's origin. owner: the person whose export it is, None where that is not known.
    asked: the user was asked, and said who it is or that it is nobody in it."""

    id: int
    name: str
    importer: str
    path: str
    imported_at: int
    messages: int
    owner: str | None = None
    asked: bool = False


class ImportRow(msgspec.Struct, frozen=True):
    """One import that ended. report: JSON, as the importers write it. time: when it ended."""

    id: int
    source: str
    importer: str
    path: str
    time: int
    seconds: float
    report: str


class ConversationRow(msgspec.Struct, frozen=True):
    """people: everybody in it, the owner too. person_ids: the PersonRow.id of each of them. first, last:
    None where it has no messages.

    left_out: nothing of it goes into a dataset. without: the people, (PersonRow.id, name), of whom
    nothing does.
    """

    id: int
    title: str
    source: str
    kind: Literal["direct", "group"]
    section: str
    people: tuple[str, ...]
    messages: int
    first: int | None = None
    last: int | None = None
    left_out: bool = False
    without: tuple[tuple[int, str], ...] = ()
    person_ids: tuple[int, ...] = ()


class Quote(msgspec.Struct, frozen=True, gc=False):
    """What a message answers: who said it, and how it begins ("" where it has no text)."""

    sender: str
    text: str


class MessageRow(msgspec.Struct, frozen=True, gc=False):
    """sender: the name of the person (aliases joined). reply_to: a MessageRow.id. edits: what it said
    before, oldest first. answers: the message that reply_to names."""

    id: int
    conversation: int
    sender: str
    person: int
    time: int
    text: str
    kind: Kind
    reactions: tuple[Reaction, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    reply_to: int | None = None
    edited: bool = False
    is_owner: bool = False
    edits: tuple[Edit, ...] = ()
    answers: Quote | None = None


class PersonRow(msgspec.Struct, frozen=True):
    """aliases: the names of the joined senders other than `name`. words: in speech only.
    sample: a line of theirs, "" where they never spoke. messages: of every kind.
    out_of: ids of the conversations in which they alone are left out."""

    id: int
    name: str
    aliases: tuple[str, ...]
    sources: tuple[str, ...]
    messages: int
    words: int
    first: int | None
    last: int | None
    sample: str
    is_owner: bool
    role: Literal["ai", "user", "left out"]
    out_of: tuple[int, ...] = ()


class Hit(msgspec.Struct, frozen=True):
    """One found message. title: its conversation's. snippet: pieces of text, True where matched."""

    message: MessageRow
    title: str
    snippet: tuple[tuple[str, bool], ...]


class Dialogue(msgspec.Struct, frozen=True):
    """A conversation with all its messages in spoken order."""

    conversation: ConversationRow
    messages: list[MessageRow]


class Counts(msgspec.Struct, frozen=True):
    conversations: int
    messages: int
    people: int
    sources: int


class DatasetRow(msgspec.Struct, frozen=True):
    """id: hash of recipe and chunks. recipe: TOML. ai: a name. train, valid, test: chunks in each."""

    id: str
    created_at: int
    recipe: str
    ai: str
    train: int
    valid: int
    test: int
    tokens: int
    preset: str


class ChunkRow(msgspec.Struct, frozen=True):
    """turns: JSON. messages: the ids of the messages it came from."""

    index: int
    split: str
    conversation: int
    title: str
    tokens: int
    turns: str
    messages: tuple[int, ...]


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one fine-tuning job at any provider.

    key: our own uuid, sent along as metadata. id: the provider's, None before it answered.
    model: what the job yielded. system: the system prompt in training. settings: JSON.
    """

    key: str
    id: str | None = None
    provider: str
    base_url: str | None = None
    base_model: str
    model: str | None = None
    status: str
    dataset: str | None = None
    suffix: str
    seed: int | None = None
    system: str
    created_at: int
    finished_at: int | None = None
    step: int | None = None
    steps: int | None = None
    train_loss: float | None = None
    valid_loss: float | None = None
    error: str | None = None
    settings: str = "{}"


class EventRow(msgspec.Struct, frozen=True):
    """One event of a job; id is the provider's. data: JSON."""

    id: str
    time: int
    level: str
    type: str
    message: str
    data: str = "{}"


class MetricRow(msgspec.Struct, frozen=True):
    """One point of a job's curves; None where that step measured nothing of the kind."""

    step: int
    train_loss: float | None = None
    valid_loss: float | None = None
    accuracy: float | None = None


class CheckpointRow(msgspec.Struct, frozen=True):
    """model: the id under which a provider serves the checkpoint."""

    id: str
    step: int
    model: str
    train_loss: float | None = None
    valid_loss: float | None = None


class ChatRow(msgspec.Struct, frozen=True):
    id: int
    title: str
    model: str
    provider: str
    system: str
    created_at: int
    updated_at: int


class ChatTurnRow(msgspec.Struct, frozen=True):
    """seconds: until the last token; first_token: seconds until the first."""

    id: int
    chat: int
    role: str
    text: str
    time: int
    tokens: int | None = None
    seconds: float | None = None
    first_token: float | None = None
