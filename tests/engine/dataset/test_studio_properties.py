"""What holds for the studio preset whatever the conversations are."""

import random
from collections import Counter

from dialogue_builder import HARE, MINUTE, OWL, START, TORTOISE, dialogue, message
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.conversation import Kind
from engine.dataset.building import build
from engine.dataset.recipe import Recipe

TEXTS = st.one_of(
    st.sampled_from(["ok", "lol", "", "  ", "<|endoftext|>", "🙂" * 40, "word " * 60, "x" * 500]),
    st.text(max_size=40),
)
RECIPES = st.builds(
    Recipe,
    max_tokens=st.sampled_from([64, 80, 150, 1024]),
    overlap=st.integers(0, 5),
    valid=st.sampled_from([0.0, 0.1, 0.5]),
    test=st.sampled_from([0.0, 0.1, 0.5]),
    groups=st.booleans(),
    same_reply=st.sampled_from([0, 1, 3, 100]),
    seed=st.integers(0, 5),
)


@st.composite
def dialogues(draw):
    """Up to four conversations of up to 80 messages; rows by chance, for they must be many."""
    chance = random.Random(draw(st.integers(0, 10**9)))
    pool = draw(st.lists(TEXTS, min_size=2, max_size=8))
    number = 0
    made = []
    for id in range(draw(st.integers(1, 4))):
        time = START
        rows = []
        for _ in range(chance.choice([3, 20, 80])):
            number += 1
            time += chance.choice([0, 1, 5, 5, 5, 61, 3000]) * MINUTE
            kind = chance.choice([Kind.SPEECH] * 9 + [Kind.ATTACHMENT])
            person = chance.choice([TORTOISE, TORTOISE, TORTOISE, HARE, HARE, OWL])
            rows.append(message(person, chance.choice(pool), time, kind, id=number))
        made.append(dialogue(rows, id=id, kind=chance.choice(["direct", "group"])))
    return made


@settings(max_examples=150, deadline=None)
@given(dialogues(), RECIPES, st.sampled_from([frozenset(), frozenset({OWL})]))
def test_the_rules_hold_for_all(conversations, recipe: Recipe, left_out) -> None:
    dataset = build(conversations, recipe, TORTOISE, "Tortoise", left_out)
    rows = {row.id: row for conversation in conversations for row in conversation.messages}
    home = {row.id: one.conversation.id for one in conversations for row in one.messages}
    session: dict[int, int] = {}
    for one in conversations:
        before = -(10**15)
        for row in one.messages:
            if row.kind == Kind.SPEECH and row.text.strip() and row.person not in left_out:
                new = row.time - before > recipe.gap_minutes * MINUTE
                session[row.id] = max(session.values(), default=0) + new
                before = row.time
    learned: Counter[int] = Counter()
    for chunk in dataset.chunks:
        assert chunk.turns[-1].learned
        assert chunk.tokens <= recipe.max_tokens
        assert {home[id] for id in chunk.messages} == {chunk.conversation}
        assert all(turn.text.strip() for turn in chunk.turns)
        assert "<|endoftext|>" not in "".join(turn.text for turn in chunk.turns)
        assert len({session[id] for id in chunk.messages}) == 1
        for turn in chunk.turns:
            if turn.learned:
                learned.update(turn.messages)
            assert (turn.weight is None) == (turn.role != "assistant")
            for id in turn.messages:
                row = rows[id]
                assert row.kind == Kind.SPEECH
                assert row.person not in left_out
                assert (row.person == TORTOISE) == (turn.role == "assistant")

    # Every reply is learned exactly once or counted; every other message is in a chunk or counted.
    assert set(learned.values()) <= {1}
    present = {id for chunk in dataset.chunks for id in chunk.messages}
    used = {id for id in present if rows[id].person != TORTOISE} | set(learned)
    assert len(used) + sum(dataset.dropped.values()) == len(rows)
    assert min(dataset.dropped.values(), default=1) > 0

    # Nothing of one part stands in another.
    parts = [{id for c in dataset.split(name) for id in c.messages} for name in ("train", "valid", "test")]
    assert sum(map(len, parts)) == len(present)
    if dataset.chunks and recipe.same_reply != 1:
        assert dataset.split("train")

    assert build(conversations, recipe, TORTOISE, "Tortoise", left_out) == dataset
    assert [chunk.index for chunk in dataset.chunks] == list(range(len(dataset.chunks)))


@settings(max_examples=60, deadline=None)
@given(dialogues(), st.integers(2, 9))
def test_the_langchain_preset_loses_nothing_uncounted(conversations, size: int) -> None:
    recipe = Recipe(preset="langchain", join="\n\n", size=size, overlap=min(2, size - 1))
    dataset = build(conversations, recipe, TORTOISE, "Tortoise")
    present = {id for chunk in dataset.chunks for id in chunk.messages}
    total = sum(len(one.messages) for one in conversations)
    assert len(present) + sum(dataset.dropped.values()) == total
    assert all(len(chunk.turns) == size and chunk.split == "train" for chunk in dataset.chunks)
