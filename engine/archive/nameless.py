"""An owner whose name an export does not know: the owner is one person over all sources, so who has a name in
one of them has it in all."""

from engine.conversation import NAMELESS

_OWNERS = f"""
SELECT DISTINCT p.id, p.name, p.left_out FROM senders o JOIN people p ON p.id = o.person
WHERE o.is_owner AND o.name <> '{NAMELESS}' AND p.name <> '{NAMELESS}'
"""  # noqa: S608 - a word of ours

# Only where that is one name; never those of whom somebody said that they are two people, nor where one
# of them is left out: the other's words would be too, or come into a dataset unasked.
NAMED_ELSEWHERE = f"""
CREATE TEMP TABLE same_owner AS
SELECT s.id AS sender, s.person AS other, o.id AS keep, o.name AS name
FROM senders s JOIN people p ON p.id = s.person JOIN ({_OWNERS}) o ON o.left_out = p.left_out
WHERE s.is_owner AND s.name = '{NAMELESS}' AND (SELECT count(*) FROM ({_OWNERS})) = 1 AND NOT EXISTS (
    SELECT 1 FROM different d JOIN senders t ON t.id IN (d.sender, d.other)
    WHERE s.id IN (d.sender, d.other) AND t.person = o.id)
"""  # noqa: S608
# The nameless owner of the source ?1 is the person of the sender ?2.
NAMED_BY_ANSWER = f"""
CREATE TEMP TABLE same_owner AS
SELECT s.id AS sender, s.person AS other, p.id AS keep, p.name AS name
FROM senders s JOIN sources source ON source.id = s.source AND source.name = ?1
JOIN senders chosen ON chosen.id = ?2 AND chosen.source <> s.source JOIN people p ON p.id = chosen.person
WHERE s.is_owner AND s.name = '{NAMELESS}'
"""  # noqa: S608
TAKE_OVER_NAME = (
    "UPDATE people SET is_ai = 1 WHERE id IN"
    " (SELECT o.keep FROM same_owner o JOIN people p ON p.id = o.other WHERE p.is_ai)",
    "UPDATE senders SET name = (SELECT name FROM same_owner) WHERE id IN (SELECT sender FROM same_owner)",
    "UPDATE senders SET person = (SELECT keep FROM same_owner)"
    " WHERE person IN (SELECT other FROM same_owner)",
    "DELETE FROM people WHERE id IN (SELECT other FROM same_owner)"
    " AND id NOT IN (SELECT keep FROM same_owner)",
    "DROP TABLE same_owner",
)
