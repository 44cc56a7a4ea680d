"""One conversation comes in several downloads that name it differently: as a thread of the main export, as
an encrypted one of the other export, and as the thread that went on encrypted in a newer main export. Only
the last of them knows both names. Whichever comes first, there is one conversation in the end.
"""

from __future__ import annotations

import sqlite3

from engine.conversation import encrypted_key

# Which messages of :other are in :keep too: told apart as in any later import.
JOIN = (
    "CREATE TEMP TABLE same_message (other INTEGER PRIMARY KEY, keep INTEGER)",
    """
INSERT INTO same_message SELECT o.id, k.id FROM messages o
CROSS JOIN messages k ON k.conversation = :keep AND k.key = o.key AND k.key <> ''
WHERE o.conversation = :other AND o.key <> ''
""",
    """
INSERT INTO same_message SELECT o.id, min(k.id) FROM messages o
CROSS JOIN messages k INDEXED BY messages_spoken ON k.conversation = :keep AND k.time = o.time
WHERE o.conversation = :other AND o.key = '' AND k.key = '' AND k.text = o.text GROUP BY o.id
""",
    # Reactions and attachments may be in one of the two only.
    "UPDATE messages SET reactions = o.reactions FROM same_message s JOIN messages o ON o.id = s.other"
    " WHERE messages.id = s.keep AND length(o.reactions) > length(messages.reactions)",
    "UPDATE messages SET attachments = o.attachments FROM same_message s JOIN messages o ON o.id = s.other"
    " WHERE messages.id = s.keep AND length(o.attachments) > length(messages.attachments)",
    "UPDATE messages SET reply_to = s.keep FROM same_message s"
    " WHERE messages.conversation IN (:keep, :other) AND messages.reply_to = s.other",
    "INSERT INTO speech_index (speech_index, rowid, text)"
    " SELECT 'delete', id, text FROM speech WHERE id IN (SELECT other FROM same_message)",
    "DELETE FROM messages WHERE id IN (SELECT other FROM same_message)",
    "UPDATE messages SET conversation = :keep WHERE conversation = :other",
    "INSERT INTO participants (conversation, sender, place, left_out)"
    " SELECT :keep, sender, place, left_out FROM participants WHERE conversation = :other"
    " ON CONFLICT DO UPDATE SET left_out = max(left_out, excluded.left_out)",
    "DELETE FROM participants WHERE conversation = :other",
    # What was left out stays so: nothing of it may come into a dataset by a new import.
    "UPDATE conversations SET left_out = 1 WHERE id = :keep"
    " AND (SELECT left_out FROM conversations WHERE id = :other)",
    "UPDATE chunks SET conversation = :keep WHERE conversation = :other",
    "DELETE FROM conversations WHERE id = :other",
    "DROP TABLE same_message",
)


def settle(connection: sqlite3.Connection, source: int) -> int:
    """Give every staged conversation the key that the studio knows it by; join those that turn out to be one.

    Returns how many were joined. Inside the import's transaction: whatever another program has imported
    meanwhile is known.
    """
    known: dict[str, int] = {}
    encrypted: dict[str, list[int]] = {}
    rows = connection.execute(
        "SELECT id, key, title, is_group, section FROM conversations WHERE source = ?", (source,)
    )
    for id, key, title, is_group, section in rows:
        known[key] = id
        if section == "encrypted":
            encrypted.setdefault(encrypted_key(title, bool(is_group)), []).append(id)
    if not known:
        return 0
    joined = 0
    staged = connection.execute("SELECT n, key, also FROM staged_conversations ORDER BY n").fetchall()
    for n, key, also in staged:
        before = known.pop(also, None) if also else None
        if before is not None and key in known:
            both = {"keep": known[key], "other": before}
            for statement in JOIN:
                connection.execute(statement, both if ":" in statement else {})
            joined += 1
        elif before is not None:
            # From now on by the name that lasts: an older main export has no other.
            connection.execute("UPDATE conversations SET key = ? WHERE id = ?", (key, before))
            known[key] = before
        elif key not in known and len(same := encrypted.get(key, [])) == 1:
            connection.execute(
                "UPDATE staged_conversations SET key = c.key FROM conversations c WHERE c.id = ? AND n = ?",
                (same[0], n),
            )
    return joined
