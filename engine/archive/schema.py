"""The tables of the studio file. A released migration is never edited: a new one is added behind it."""

from __future__ import annotations

# "Undy" in ASCII. It tells a studio from every other SQLite file.
APPLICATION_ID = 0x556E6479

# sources ... messages: what was imported. A message's place is (time, seq, id): seq counts the
# messages of one conversation and one millisecond in the order in which they were spoken.
# A message without a key is told from the others of its conversation by its time and its text.
# The figures in conversations and senders are kept up by the import, so that lists need no scan.
# `speech_index` holds no text of its own and is filled in bulk by the import, 16 MB of it at a time. It
# keeps no lengths of texts: they cost an import as much as the words, and a search counts what it finds.
# What it indexes is what `speech` says: ASCII as it stands, any other text as
# `engine.indexed_text` cuts it.
FIRST = """
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    importer TEXT NOT NULL,
    path TEXT NOT NULL,
    imported_at INTEGER NOT NULL
);
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    is_owner INTEGER NOT NULL DEFAULT 0,
    is_ai INTEGER NOT NULL DEFAULT 0,
    left_out INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE senders (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (id),
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    person INTEGER NOT NULL REFERENCES people (id),
    is_owner INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    words INTEGER NOT NULL DEFAULT 0,
    first INTEGER,
    last INTEGER,
    sample TEXT NOT NULL DEFAULT '',
    UNIQUE (source, key)
);
CREATE INDEX senders_person ON senders (person);
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (id),
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    is_group INTEGER NOT NULL,
    section TEXT NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0,
    first INTEGER,
    last INTEGER,
    UNIQUE (source, key)
);
CREATE TABLE participants (
    conversation INTEGER NOT NULL REFERENCES conversations (id),
    sender INTEGER NOT NULL REFERENCES senders (id),
    place INTEGER NOT NULL,
    PRIMARY KEY (conversation, sender)
) WITHOUT ROWID;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations (id),
    key TEXT NOT NULL,
    sender INTEGER NOT NULL REFERENCES senders (id),
    time INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    reactions TEXT NOT NULL,
    attachments TEXT NOT NULL,
    reply_to INTEGER,
    edited INTEGER NOT NULL
);
CREATE UNIQUE INDEX messages_key ON messages (conversation, key) WHERE key <> '';
CREATE INDEX messages_spoken ON messages (conversation, time, seq);
CREATE VIEW speech AS SELECT
    id, CASE WHEN length(text) = length(CAST(text AS BLOB)) THEN text ELSE indexed_text(text) END AS text
FROM messages WHERE kind = 'speech';
CREATE VIRTUAL TABLE speech_index USING fts5 (
    text, content = 'speech', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2', columnsize = 0
);
INSERT INTO speech_index (speech_index, rank) VALUES ('hashsize', 16000000);

CREATE TABLE datasets (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    ai TEXT NOT NULL,
    train INTEGER NOT NULL,
    valid INTEGER NOT NULL,
    test INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    preset TEXT NOT NULL
);
CREATE TABLE chunks (
    dataset TEXT NOT NULL REFERENCES datasets (id),
    place INTEGER NOT NULL,
    split TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    title TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    turns TEXT NOT NULL,
    messages TEXT NOT NULL,
    PRIMARY KEY (dataset, place)
);

CREATE TABLE jobs (
    key TEXT PRIMARY KEY,
    id TEXT,
    provider TEXT NOT NULL,
    base_url TEXT,
    base_model TEXT NOT NULL,
    model TEXT,
    status TEXT NOT NULL,
    dataset TEXT,
    suffix TEXT NOT NULL,
    seed INTEGER,
    system TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    step INTEGER,
    steps INTEGER,
    train_loss REAL,
    valid_loss REAL,
    error TEXT,
    settings TEXT NOT NULL
);
CREATE TABLE events (
    job TEXT NOT NULL REFERENCES jobs (key),
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    level TEXT NOT NULL,
    type TEXT NOT NULL,
    message TEXT NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (job, id)
);
CREATE TABLE metrics (
    job TEXT NOT NULL REFERENCES jobs (key),
    step INTEGER NOT NULL,
    train_loss REAL,
    valid_loss REAL,
    accuracy REAL,
    PRIMARY KEY (job, step)
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    job TEXT NOT NULL REFERENCES jobs (key),
    id TEXT NOT NULL,
    step INTEGER NOT NULL,
    model TEXT NOT NULL,
    train_loss REAL,
    valid_loss REAL,
    PRIMARY KEY (job, id)
) WITHOUT ROWID;

CREATE TABLE chats (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    system TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE TABLE chat_turns (
    id INTEGER PRIMARY KEY,
    chat INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,
    tokens INTEGER,
    seconds REAL,
    first_token REAL
);
CREATE INDEX chat_turns_chat ON chat_turns (chat, id)
"""

# What became of every import, as the importers' own JSON. It holds beginnings of messages.
IMPORTS = """
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (id),
    importer TEXT NOT NULL,
    path TEXT NOT NULL,
    time INTEGER NOT NULL,
    seconds REAL NOT NULL,
    report TEXT NOT NULL
)
"""

# What an edited message said before, as JSON; NULL where nothing is known of it.
EDITS = "ALTER TABLE messages ADD COLUMN edits TEXT"

# 1 once the user was asked whose export it is: that is asked only once.
ASKED = "ALTER TABLE sources ADD COLUMN asked INTEGER NOT NULL DEFAULT 0"

# What goes into no dataset: whole conversations, and people in one conversation alone. `different`:
# senders of whom somebody said that they are two people, the lower id first.
CHOICES = """
ALTER TABLE conversations ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;
CREATE INDEX participants_sender ON participants (sender, left_out);
CREATE TABLE different (
    sender INTEGER NOT NULL REFERENCES senders (id),
    other INTEGER NOT NULL REFERENCES senders (id),
    PRIMARY KEY (sender, other)
) WITHOUT ROWID
"""

# Statements are told apart by semicolons: none may stand inside one (no triggers, no such literals).
MIGRATIONS: tuple[str, ...] = (FIRST, IMPORTS, EDITS, ASKED, CHOICES)
